// What there is to know of algorithms and programs, for those who have no engines: pure, and without native libraries.
export * from './engine/algorithms.js';
export * from './engine/engine.js';
export * from './program/program.js';
