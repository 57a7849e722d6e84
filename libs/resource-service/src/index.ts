export * from './domain.js';
export * from './group-writer.js';
export type { ResourceList } from './list.js';
export * from './resource-projection.js';
export * from './resource-service.js';
export * from './worker-messages.js';
export * from './intent-consumer.js';
