export * from './common-configuration.js';
export * from './environment.js';
export * from './nest-logger.js';
export * from './run-process.js';
export * from './run-service.js';
