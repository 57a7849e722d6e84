import { Controller, Inject } from '@nestjs/common';
import type { Delivery, Message, Received, Settlement } from '@outboard/bus';
import { HandleDelivery, HandleRequest } from '@outboard/bus/nest';
import { subjects } from '@outboard/contracts';
import type { AppError, Result } from '@outboard/core';
import { intentConsumer } from '@outboard/resource-service';
import type { NetworkIntentService } from '../app/network-intent-service.js';

/** Token of the running NetworkIntentService. */
export const NETWORK_INTENT_SERVICE = Symbol('NetworkIntentService');

@Controller()
export class NetworkIntentController {
  constructor(@Inject(NETWORK_INTENT_SERVICE) private readonly network: NetworkIntentService) {}

  @HandleRequest('api', subjects.allRequests('network'))
  request(request: Received): Promise<Result<Message, AppError>> {
    return this.network.handleRequest(request);
  }

  @HandleRequest('sync', subjects.allDpus('sync', 'network'))
  sync(request: Received): Promise<Result<Message, AppError>> {
    return this.network.handleSync(request);
  }

  @HandleRequest('fetch', subjects.allDpus('fetch', 'network'))
  fetch(request: Received): Promise<Result<Message, AppError>> {
    return this.network.handleFetch(request);
  }

  @HandleRequest('observed', subjects.allDpus('observed', 'network'))
  observed(request: Received): Promise<Result<Message, AppError>> {
    return this.network.handleObserved(request);
  }

  @HandleDelivery(intentConsumer('network'))
  intent(delivery: Delivery): Promise<Settlement> {
    return this.network.handleIntent(delivery);
  }
}
