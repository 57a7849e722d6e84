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

  @HandleRequest('inventory', subjects.allDpus('inventory', 'admin'))
  inventory(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleInventory(request);
  }

  @HandleRequest('confirm', subjects.allDpus('confirm', 'admin'))
  confirm(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleConfirm(request);
  }

  @HandleRequest('sync', subjects.allDpus('sync', 'admin'))
  sync(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleSync(request);
  }

  @HandleRequest('fetch', subjects.allDpus('fetch', 'admin'))
  fetch(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleFetch(request);
  }

  @HandleRequest('observed', subjects.allDpus('observed', 'admin'))
  observed(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleObserved(request);
  }

  @HandleRequest('workload', subjects.allDpus('workload', 'admin'))
  workload(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleWorkload(request);
  }

  @HandleRequest('cnf', subjects.allCnfs)
  cnf(request: Received): Promise<Result<Message, AppError>> {
    return this.admin.handleCnf(request);
  }

  @HandleDelivery(intentConsumer('admin'))
  intent(delivery: Delivery): Promise<Settlement> {
    return this.admin.handleIntent(delivery);
  }
}
