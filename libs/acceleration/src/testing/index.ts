export { open as openSealed, privateKeyFrom } from '../keys/hpke.js';
export * from './data-path-world.js';
export { grantOf, program, step, TOKEN } from './lane-world.js';
