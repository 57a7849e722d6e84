export type { Log } from '@outboard/service-shell/process';
export { MAX_SOCKET_DIRECTORY } from './app/configuration.js';
export type { WorkerIdentity } from './app/identity.js';
export { currentIncarnation } from './app/incarnation.js';
export {
  createDataplaneWorker,
  type DataplaneWorker,
  type DataplaneWorkerPorts,
  DOCUMENT_OWNERS,
  type WorkerReadiness,
} from './app/worker.js';
