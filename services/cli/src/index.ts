export { runOutboard } from './run.js';
export type { Surroundings } from './session.js';
export type { Terminal } from './terminal.js';
