export * from './document.js';
export * from './driver.js';
export * from './driver-linux/linux-driver.js';
export * from './driver-memory/faulty-driver.js';
export * from './driver-memory/memory-driver.js';
export * from './driver-memory/memory-kernel.js';
export { createEngine } from './engine/create-engine.js';
export * from './engine.js';
export type { LinuxSpec } from './realise/linux-objects.js';
