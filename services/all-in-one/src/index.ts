export { lackingForAcceleration } from './acceleration.js';
export * from './installation.js';
