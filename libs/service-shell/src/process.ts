// Without the store and its object mapper: a worker has to fit a DPU.
export * from './atomic-file.js';
export * from './command-line.js';
export * from './common-configuration.js';
export * from './connect-as.js';
export * from './connect-eventually.js';
export * from './environment.js';
export * from './log.js';
export * from './nest-logger.js';
export * from './run-process.js';
