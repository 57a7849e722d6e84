export * from './acceleration.js';
export * from './local-stack.js';
export * from './workspace.js';
