export type { WorkerIdentity } from './app/identity.js';
export { currentIncarnation } from './app/incarnation.js';
export type { Log } from './app/log.js';
export {
  createDataplaneWorker,
  type DataplaneWorker,
  type DataplaneWorkerPorts,
  DOCUMENT_OWNERS,
  type WorkerReadiness,
} from './app/worker.js';
