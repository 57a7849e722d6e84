export { BusServer } from './bus-server.js';
export { HandleDelivery, HandleRequest } from './decorators.js';
