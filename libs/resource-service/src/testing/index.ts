/** For the tests of services that are made of this library. */
export { RefusingStore } from './refusing-store.js';
export { serveEndpoints } from './serve-endpoints.js';
export { settled, until } from './until.js';
