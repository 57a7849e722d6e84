export * from './documents.js';
export * from './shared-object.js';
export * from './types.js';
