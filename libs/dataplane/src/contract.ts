// What documents, drivers and the engine are, and the engine: without any driver.
export * from './document.js';
export * from './driver.js';
export { createEngine } from './engine/create-engine.js';
export * from './engine.js';
export { type HopHealth, HopHealthBoard } from './hop-health.js';
export * from './inspect.js';
export { countsOfChain, type HopCount } from './realise/hop-counters.js';
export { parseAlias } from './realise/names.js';
export { countsOfPolicy, type RuleCount } from './realise/rule-counters.js';
