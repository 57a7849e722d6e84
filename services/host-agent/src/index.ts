// What others need to talk to an agent; the agent itself is a process.
export { DEFAULT_SOCKET } from './app/configuration.js';
export * from './app/plugin-protocol.js';
export { CNI_CODE } from './domain/cni-error.js';
