export { AcceleratorError } from './accelerator-error.js';
export { type AdviceOptions, adviseOffload, type OffloadAdvice } from './advice.js';
export { AccelerationClient, type ClientActivity, type ClientOptions, type RunOptions } from './client.js';
export { HostEngine, type KeyOfStep } from './host-engine.js';
export type { RunResult } from './run-result.js';
export { readSession, type SessionLocation, type SessionProgram } from './session-description.js';
export { newestOf } from './session-places.js';
export { OpeningStream, SealingStream } from './streams.js';
