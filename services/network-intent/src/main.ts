import { runService } from '@outboard/service-shell';
import { NetworkIntentService } from './app/network-intent-service.js';
import { NETWORK_INTENT_SERVICE, NetworkIntentController } from './nest/network-intent.controller.js';

await runService({
  name: 'network-intent',
  version: '0.1.0',
  description: 'Networks, subnets and ports, and the documents of every DPU that follow from them',
  configure: () => undefined,
  create: (ports) => new NetworkIntentService(ports),
  controller: NetworkIntentController,
  token: NETWORK_INTENT_SERVICE,
});
