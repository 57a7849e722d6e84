export * from './documents.js';
export * from './kept-documents.js';
export * from './shared-object.js';
export * from './show-differences.js';
export * from './types.js';
