export * from './ownership.js';
export * from './places.js';
export * from './plan.js';
export * from './pod.js';
export type { EchoOutcome } from './probes/icmp-socket.js';
export * from './probes/ping.js';
export * from './probes/wait.js';
export * from './program.js';
export * from './testbed.js';
