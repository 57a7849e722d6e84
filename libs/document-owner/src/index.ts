export { type DocumentDomain, WorkerGateway, type WorkerGatewayOptions } from './worker-gateway.js';
