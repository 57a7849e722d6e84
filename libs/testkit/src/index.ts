export * from './manual-clock.js';
export * from './nats-server.js';
export { residuesOf, searchMemory } from './process-memory.js';
export * from './recording-log.js';
