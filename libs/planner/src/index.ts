export * from './api.js';
export * from './records.js';
