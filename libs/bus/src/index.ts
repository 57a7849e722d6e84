export { parkedMessage } from './dead-letter.js';
export { InProcessBroker } from './in-process/broker.js';
export { connectNats } from './nats/bus.js';
export type { NatsOptions } from './nats/link.js';
export * from './port.js';
export { STREAMS } from './streams.js';
