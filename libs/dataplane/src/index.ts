export * from './document.js';
export * from './driver.js';
export * from './engine.js';
