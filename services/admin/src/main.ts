import { runService } from '@outboard/service-shell';
import { AdminService } from './app/admin-service.js';
import { APPROVALS } from './domain/dpu-lifecycle.js';
import { ADMIN_SERVICE, AdminController } from './nest/admin.controller.js';

const MINIMUM_LEASE_MILLISECONDS = 500;
const MAXIMUM_LEASE_MILLISECONDS = 600_000;
const DEFAULT_LEASE_MILLISECONDS = 10_000;

await runService({
  name: 'admin',
  version: '0.1.0',
  description: 'DPUs, their functions and their leases',
  configure: (environment) => ({
    leaseMilliseconds: environment.integer(
      'OUTBOARD_LEASE_MILLISECONDS',
      MINIMUM_LEASE_MILLISECONDS,
      MAXIMUM_LEASE_MILLISECONDS,
      DEFAULT_LEASE_MILLISECONDS,
    ),
    approval: environment.oneOf('OUTBOARD_DPU_APPROVAL', APPROVALS, 'FIRST_TOUCH'),
  }),
  create: (ports, configuration) => new AdminService({ ...ports, ...configuration }),
  controller: AdminController,
  token: ADMIN_SERVICE,
});
