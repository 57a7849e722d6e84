export * from './engine/algorithms.js';
export * from './engine/engine.js';
export * from './engine/engine-set.js';
