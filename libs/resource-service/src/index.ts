export * from './domain.js';
export * from './group-writer.js';
export * from './intent-consumer.js';
export type { ResourceList } from './list.js';
export * from './resource-projection.js';
export * from './resource-service.js';
export * from './tombstone-sweeper.js';
export type { Transaction } from './transaction.js';
export * from './worker-messages.js';
