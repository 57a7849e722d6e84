export { NetworkIntentService, type NetworkIntentServiceOptions } from './app/network-intent-service.js';
