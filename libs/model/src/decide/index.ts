// For those who decide on resources: who is meant, what is refused and how that is told.
export * from './preconditions.js';
export * from './refusal.js';
