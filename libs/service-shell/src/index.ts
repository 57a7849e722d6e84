export * from './process.js';
export * from './run-service.js';
