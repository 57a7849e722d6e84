export * from './delta-tracker.js';
export * from './lane-queue.js';
export * from './prune-gate.js';
export * from './retries.js';
export * from './satisfies.js';
export * from './wake-index.js';
export * from './waves.js';
