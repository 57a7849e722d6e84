export * from './intent-publisher.js';
export * from './state-cache.js';
