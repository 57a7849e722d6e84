export { parkedMessage } from './dead-letter.js';
export { InProcessBroker } from './in-process/broker.js';
export * from './port.js';
