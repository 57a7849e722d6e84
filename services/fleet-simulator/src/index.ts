export * from './churn.js';
export * from './fleet.js';
export * from './fleet-client.js';
export * from './followed-state.js';
