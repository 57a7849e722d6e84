export * from './libc.js';
export * from './network-namespace.js';
export * from './readiness.js';
export * from './sysctl.js';
export * from './system-error.js';
