export * from './app-error.js';
export * from './brand.js';
export * from './clock.js';
export * from './equal.js';
export * from './invariant.js';
export * from './problems.js';
export * from './random.js';
export * from './result.js';
