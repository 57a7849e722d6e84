export { AccelerationService, type AccelerationServiceOptions } from './app/acceleration-service.js';
