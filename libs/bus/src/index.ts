export * from './credentials.js';
export { parkedMessage } from './dead-letter.js';
export { InProcessBroker } from './in-process/broker.js';
export { connectNats } from './nats/bus.js';
export type { NatsOptions } from './nats/link.js';
export * from './port.js';
export * from './roles.js';
export * from './server-config.js';
export * from './streams.js';
