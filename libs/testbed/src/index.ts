export * from './ownership.js';
export * from './places.js';
export * from './plan.js';
export * from './pod.js';
export * from './program.js';
export * from './testbed.js';
