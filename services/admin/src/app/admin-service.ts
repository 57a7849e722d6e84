import type { Delivery, Message, Received, Settlement, StreamBus } from '@outboard/bus';
import { parseRequestSubject } from '@outboard/contracts';
import { type AppError, type Clock, err, ok, type Random, type Result } from '@outboard/core';
import { WorkerGateway as DocumentGateway } from '@outboard/document-owner';
import { functionIdentityKey, functionIdentityOf } from '@outboard/model';
import {
  type ProjectedChange,
  publishingProblem,
  type RelayLog,
  ResourceProjection,
  ResourceService,
  relayToBus,
  StateRepair,
  TombstoneSweeper,
} from '@outboard/resource-service';
import type { OutboxRelay, Store } from '@outboard/store';
import { AdminDomain } from '../domain/admin-domain.js';
import { Claims } from '../domain/claims.js';
import type { Approval } from '../domain/dpu-lifecycle.js';
import { Inventory } from '../domain/inventory.js';
import { CountTimer } from './count-timer.js';
import { LifecycleTimer } from './lifecycle-timer.js';
import { WorkerGateway } from './worker-gateway.js';
import { WorkloadGateway } from './workload-gateway.js';

export interface AdminServiceOptions {
  readonly bus: StreamBus;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: RelayLog;
  /** A DPU whose worker has not reported for so long is unreachable. */
  readonly leaseMilliseconds: number;
  /** Of DPUs that nobody has said anything about; `FIRST_TOUCH` when absent. */
  readonly approval?: Approval;
}

/** DPUs, their networks, functions and leases: what the service does, whatever shell it runs in. */
export class AdminService implements AsyncDisposable {
  readonly #resources: ResourceService;
  readonly #gateway: WorkerGateway;
  readonly #documents: DocumentGateway;
  readonly #ports: ResourceProjection;
  readonly #relay: OutboxRelay;
  readonly #tombstones: TombstoneSweeper;
  readonly #states: StateRepair;
  readonly #claims = new Claims();
  readonly #inventory: Inventory;
  readonly #domain: AdminDomain;
  readonly #lifecycles: LifecycleTimer;
  readonly #counts: CountTimer;
  readonly #workloads: WorkloadGateway;

  constructor({ bus, store, clock, random, log, leaseMilliseconds, approval }: AdminServiceOptions) {
    const claims = this.#claims;
    const inventory = new Inventory(claims, approval);
    this.#inventory = inventory;
    const domain = new AdminDomain(inventory);
    this.#domain = domain;
    this.#relay = relayToBus({ bus, store, clock, random, ...(log && { log }) });
    this.#resources = new ResourceService({
      name: 'admin',
      store,
      domain,
      relay: this.#relay,
      clock,
      random,
      finish: (transaction, context) => {
        this.#documents.publishDeltas(transaction, context);
        this.#lifecycles.look();
        this.#counts.look();
      },
      reloaded: () => {
        this.#documents.forget();
        this.#lifecycles.look();
        this.#counts.look();
      },
    });
    this.#documents = new DocumentGateway({
      owner: 'admin',
      service: this.#resources,
      domain,
      epoch: store.epoch,
    });
    this.#lifecycles = new LifecycleTimer({ service: this.#resources, inventory, domain, clock });
    this.#counts = new CountTimer({ service: this.#resources, inventory, domain, clock });
    this.#gateway = new WorkerGateway({
      service: this.#resources,
      inventory,
      domain,
      clock,
      leaseMilliseconds,
    });
    this.#workloads = new WorkloadGateway({ service: this.#resources, domain, bus });
    this.#tombstones = new TombstoneSweeper({ bus, clock, api: 'admin' });
    this.#states = new StateRepair({
      bus,
      clock,
      random,
      api: 'admin',
      service: this.#resources,
      ...(log && { log }),
    });
    this.#ports = new ResourceProjection({
      bus,
      clock,
      random,
      api: 'network',
      kinds: ['Port'],
      known: () => claims.ports().map((port) => ({ kind: 'Port', ...port })),
      take: (changes) => this.#takeClaims(changes),
    });
  }

  /** Why it does only a part of what it is for; undefined: it does everything. */
  get problem(): string | undefined {
    return publishingProblem(this.#relay);
  }

  /** A stream is another one than before: what was in it is published again, where that is this service's to do. */
  streamReplaced(stream: string): void {
    this.#states.streamReplaced(stream);
  }

  /** Takes over what is stored, publishes what a former run left, and follows the ports that bind functions. */
  async start(): Promise<void> {
    await this.#resources.start();
    for (const found of this.#inventory.functions()) {
      const identity = functionIdentityOf(found.status);
      if (found.status.claim && identity) {
        this.#claims.bind(functionIdentityKey(identity), found.status.claim);
      }
    }
    this.#gateway.start();
    await this.#lifecycles.start();
    await this.#ports.start();
    this.#tombstones.start();
    this.#states.start();
  }

  async handleRequest(request: Received): Promise<Result<Message, AppError>> {
    const { kind, verb } = parseRequestSubject(request.subject) ?? {};
    if (kind === 'workload' && verb === 'logs') return this.#workloads.logs(request);
    const answer = await this.#resources.handleRequest(request);
    if (!answer.ok || kind !== 'workloadconfiguration' || verb !== 'plan') return answer;
    // A dry run of a configuration goes as far as the CNF itself.
    const refusal = await this.#workloads.tryPlanned(request);
    return refusal === undefined ? answer : err(refusal);
  }

  handleCnf(request: Received): Promise<Result<Message, AppError>> {
    return this.#workloads.call(request);
  }

  handleWorkload(request: Received): Promise<Result<Message, AppError>> {
    return this.#workloads.report(request);
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

  handleConfirm(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.confirm(request);
  }

  handleSync(request: Received): Promise<Result<Message, AppError>> {
    return this.#documents.sync(request);
  }

  handleFetch(request: Received): Promise<Result<Message, AppError>> {
    return this.#documents.fetch(request);
  }

  handleObserved(request: Received): Promise<Result<Message, AppError>> {
    return this.#documents.observed(request);
  }

  /** To be called when nothing arrives any more: finishes what has arrived, then what has to be published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tombstones[Symbol.asyncDispose]();
    await this.#states[Symbol.asyncDispose]();
    await this.#ports[Symbol.asyncDispose]();
    this.#gateway[Symbol.dispose]();
    this.#lifecycles[Symbol.dispose]();
    this.#counts[Symbol.dispose]();
    await this.#resources[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }

  async #takeClaims(ports: readonly ProjectedChange[]): Promise<Result<void, AppError>> {
    for (const { tenant, name, resource } of ports) {
      if (resource?.kind === 'Port') this.#claims.set(resource);
      else this.#claims.remove(tenant, name);
    }
    const changed = this.#claims.changed();
    const told = ports.map(({ tenant, name, resource }) => ({
      tenant,
      name,
      port: resource?.kind === 'Port' ? resource : undefined,
    }));
    const isOfWorkloads = await this.#resources.query(() => this.#domain.concernsWorkloads(told));
    // Ports are told of many times, and bind their function once.
    if (changed.length === 0 && !isOfWorkloads) return ok(undefined);
    const written = await this.#resources.change('service/network', (context) =>
      ok([
        ...this.#domain.followed(this.#inventory.claimsChanged(changed, context), context),
        ...this.#domain.portsTold(told, context),
      ]),
    );
    if (written.ok) this.#claims.settled(changed);
    return written;
  }
}
