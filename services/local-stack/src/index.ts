export * from './local-stack.js';
export * from './workspace.js';
