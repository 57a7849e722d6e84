export { LACKING_ENGINE, showAcceleration } from './demonstration.js';
export * from './sessions.js';
