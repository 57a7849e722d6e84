export * from './manual-clock.js';
export * from './nats-server.js';
export * from './recording-log.js';
