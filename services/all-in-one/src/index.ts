export { lackingForAcceleration } from './acceleration.js';
export * from './installation.js';
export type { Surroundings } from './surroundings.js';
