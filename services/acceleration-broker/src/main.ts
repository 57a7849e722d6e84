import { runService } from '@outboard/service-shell';
import { AccelerationService } from './app/acceleration-service.js';
import { ACCELERATION_SERVICE, AccelerationController } from './nest/acceleration.controller.js';

await runService({
  name: 'acceleration-broker',
  version: '0.1.0',
  description: 'Sessions, keys and quotas of acceleration, and which DPU serves them',
  configure: () => undefined,
  create: (ports) => new AccelerationService(ports),
  controller: AccelerationController,
  token: ACCELERATION_SERVICE,
});
