export * from './intent-publisher.js';
export * from './resource-client.js';
export * from './state-cache.js';
export * from './tenant-client.js';
