export { AdminService, type AdminServiceOptions } from './app/admin-service.js';
