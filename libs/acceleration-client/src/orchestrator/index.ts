export { showAcceleration } from './demonstration.js';
export * from './sessions.js';
