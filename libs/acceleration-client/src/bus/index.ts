export * from './bus-session.js';
