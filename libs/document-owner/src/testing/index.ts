/** For the tests of services that own documents. */
export { FakeWorker } from './fake-worker.js';
