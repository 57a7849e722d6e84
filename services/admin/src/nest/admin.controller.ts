import { Controller, Inject } from '@nestjs/common';
import type { Delivery, Message, Received, Settlement } from '@outboard/bus';
import { HandleDelivery, HandleRequest } from '@outboard/bus/nest';
import { subjects } from '@outboard/contracts';
import type { AppError, Result } from '@outboard/core';
import { intentConsumer } from '@outboard/resource-service';
import type { AdminService } from '../app/admin-service.js';

/** Token of the running AdminService. */
export const ADMIN_SERVICE = Symbol('AdminService');

@Controller()
export class AdminController {
  constructor(@Inject(ADMIN_SERVICE) private readonly admin: AdminService) {}

  @HandleRequest('api', subjects.allRequests('admin'))
  request(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleRequest(request);
  }

  @HandleRequest('heartbeat', subjects.allDpus('heartbeat', 'admin'))
  heartbeat(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleHeartbeat(request);
  }

  @HandleRequest('inventory', subjects.allDpus('observed', 'admin'))
  inventory(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleInventory(request);
  }

  @HandleDelivery(intentConsumer('admin'))
  intent(delivery: Delivery): Promise<Settlement> {
    return this.admin.handleIntent(delivery);
  }
}
