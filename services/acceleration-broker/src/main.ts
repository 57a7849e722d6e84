import { runService } from '@outboard/service-shell';
import { AccelerationService } from './app/acceleration-service.js';
import { DEFAULT_SESSION_LEASE_MILLISECONDS } from './app/session-leases.js';
import { ACCELERATION_SERVICE, AccelerationController } from './nest/acceleration.controller.js';

const MINIMUM_LEASE_MILLISECONDS = 500;
const MAXIMUM_LEASE_MILLISECONDS = 600_000;

await runService({
  name: 'acceleration-broker',
  version: '0.1.0',
  description: 'Sessions, keys and quotas of acceleration, and which DPU serves them',
  configure: (environment) => ({
    sessionLeaseMilliseconds: environment.integer(
      'OUTBOARD_SESSION_LEASE_MILLISECONDS',
      MINIMUM_LEASE_MILLISECONDS,
      MAXIMUM_LEASE_MILLISECONDS,
      DEFAULT_SESSION_LEASE_MILLISECONDS,
    ),
  }),
  create: (ports, configuration) => new AccelerationService({ ...ports, ...configuration }),
  controller: AccelerationController,
  token: ACCELERATION_SERVICE,
});
