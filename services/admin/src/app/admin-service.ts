import type { Bus, Delivery, Message, Received, Settlement } from '@outboard/bus';
import type { AppError, Clock, Random, Result } from '@outboard/core';
import { ResourceProjection, ResourceService } from '@outboard/resource-service';
import { OutboxRelay, type Store } from '@outboard/store';
import { AdminDomain, toDomainChanges } from '../domain/admin-domain.js';
import { Claims } from '../domain/claims.js';
import { Inventory } from '../domain/inventory.js';
import { WorkerGateway } from './worker-gateway.js';

export interface AdminServiceOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** A DPU whose worker has not reported for so long is unreachable. */
  readonly leaseMilliseconds: number;
}

/** DPUs, their functions and their leases: what the service does, whatever shell it runs in. */
export class AdminService implements AsyncDisposable {
  readonly #resources: ResourceService;
  readonly #gateway: WorkerGateway;
  readonly #ports: ResourceProjection;
  readonly #relay: OutboxRelay;

  constructor({ bus, store, clock, random, leaseMilliseconds }: AdminServiceOptions) {
    const claims = new Claims();
    const inventory = new Inventory(claims);
    this.#relay = new OutboxRelay({
      store,
      clock,
      random,
      publish: ({ subject, headers, body, messageId }) =>
        bus.publish(subject, { headers, body }, { messageId }),
    });
    this.#resources = new ResourceService({
      name: 'admin',
      store,
      domain: new AdminDomain(inventory),
      relay: this.#relay,
      clock,
      random,
    });
    this.#gateway = new WorkerGateway({ service: this.#resources, inventory, clock, leaseMilliseconds });
    this.#ports = new ResourceProjection({
      bus,
      clock,
      random,
      api: 'network',
      kinds: ['Port'],
      known: () => claims.ports().map((port) => ({ kind: 'Port', ...port })),
      take: (changes) => {
        const identities = changes.flatMap(({ tenant, name, resource }) =>
          resource?.kind === 'Port' ? claims.set(resource) : claims.remove(tenant, name),
        );
        return this.#resources.change((context) =>
          toDomainChanges(inventory.claimsChanged(identities, context)),
        );
      },
    });
  }

  /** Takes over what is stored, publishes what a former run left, and follows the ports that bind functions. */
  async start(): Promise<void> {
    this.#resources.reload();
    this.#gateway.start();
    this.#relay.notify();
    await this.#ports.start();
  }

  handleRequest(request: Received): Promise<Result<Message, AppError>> {
    return this.#resources.handleRequest(request);
  }

  handleIntent(delivery: Delivery): Promise<Settlement> {
    return this.#resources.handleIntent(delivery);
  }

  handleHeartbeat(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.heartbeat(request);
  }

  handleInventory(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.inventory(request);
  }

  /** To be called when nothing arrives any more: finishes what has arrived, then what has to be published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ports[Symbol.asyncDispose]();
    this.#gateway[Symbol.dispose]();
    await this.#resources[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }
}
