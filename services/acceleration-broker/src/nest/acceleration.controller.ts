import { Controller, Inject } from '@nestjs/common';
import type { Delivery, Message, Received, Settlement } from '@outboard/bus';
import { HandleDelivery, HandleRequest } from '@outboard/bus/nest';
import { subjects } from '@outboard/contracts';
import type { AppError, Result } from '@outboard/core';
import { intentConsumer } from '@outboard/resource-service';
import type { AccelerationService } from '../app/acceleration-service.js';

/** Token of the running AccelerationService. */
export const ACCELERATION_SERVICE = Symbol('AccelerationService');

@Controller()
export class AccelerationController {
  constructor(@Inject(ACCELERATION_SERVICE) private readonly acceleration: AccelerationService) {}

  @HandleRequest('api', subjects.allRequests('acceleration'))
  request(request: Received): Promise<Result<Message, AppError>> {
    return this.acceleration.handleRequest(request);
  }

  @HandleRequest('sync', subjects.allDpus('sync', 'acceleration'))
  sync(request: Received): Promise<Result<Message, AppError>> {
    return this.acceleration.handleSync(request);
  }

  @HandleRequest('fetch', subjects.allDpus('fetch', 'acceleration'))
  fetch(request: Received): Promise<Result<Message, AppError>> {
    return this.acceleration.handleFetch(request);
  }

  @HandleRequest('observed', subjects.allDpus('observed', 'acceleration'))
  observed(request: Received): Promise<Result<Message, AppError>> {
    return this.acceleration.handleObserved(request);
  }

  @HandleRequest('heartbeat', subjects.allDpus('heartbeat', 'acceleration'))
  heartbeat(request: Received): Promise<Result<Message, AppError>> {
    return this.acceleration.handleHeartbeat(request);
  }

  @HandleDelivery(intentConsumer('acceleration'))
  intent(delivery: Delivery): Promise<Settlement> {
    return this.acceleration.handleIntent(delivery);
  }
}
