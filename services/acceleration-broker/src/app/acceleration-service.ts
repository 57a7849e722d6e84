import type { Delivery, Message, Received, Settlement, StreamBus } from '@outboard/bus';
import { type GeneratedKeyVersion, parseRequestSubject } from '@outboard/contracts';
import { type AppError, type Clock, ok, type Random, type Result, unwrap } from '@outboard/core';
import { WorkerGateway } from '@outboard/document-owner';
import type { Name } from '@outboard/model';
import {
  publishingProblem,
  type RelayLog,
  ResourceProjection,
  ResourceService,
  relayToBus,
  StateRepair,
  TombstoneSweeper,
} from '@outboard/resource-service';
import type { OutboxRelay, Store } from '@outboard/store';
import { AccelerationDomain } from '../domain/acceleration-domain.js';
import { SessionActivities } from './session-activity.js';
import { SessionEnds } from './session-ends.js';
import { DEFAULT_SESSION_LEASE_MILLISECONDS, SessionLeases } from './session-leases.js';
import { SessionRequests } from './session-requests.js';
import { Settler } from './settler.js';

export interface AccelerationServiceOptions {
  readonly bus: StreamBus;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: RelayLog;
  /** For how long a worker that is cut off serves its sessions; 8 s when absent. */
  readonly sessionLeaseMilliseconds?: number | undefined;
}

/** Sessions of acceleration, their keys and quotas: what the broker does, whatever shell it runs in. */
export class AccelerationService implements AsyncDisposable {
  readonly #domain: AccelerationDomain;
  readonly #resources: ResourceService;
  readonly #gateway: WorkerGateway;
  readonly #settler: Settler;
  readonly #leases: SessionLeases;
  readonly #activities: SessionActivities;
  readonly #ends: SessionEnds;
  readonly #requests: SessionRequests;
  readonly #projections: readonly ResourceProjection[];
  readonly #relay: OutboxRelay;
  readonly #tombstones: TombstoneSweeper;
  readonly #states: StateRepair;
  readonly #epoch: string;

  constructor(options: AccelerationServiceOptions) {
    const { bus, store, clock, random, log } = options;
    const domain = new AccelerationDomain();
    this.#domain = domain;
    this.#relay = relayToBus({ bus, store, clock, random, ...(log && { log }) });
    this.#resources = new ResourceService({
      name: 'acceleration-broker',
      store,
      domain,
      relay: this.#relay,
      clock,
      random,
      finish: (transaction, context) => {
        this.#gateway.publishDeltas(transaction, context);
        this.#settler.wake();
      },
      reloaded: () => this.#gateway.forget(),
    });
    const service = this.#resources;
    this.#epoch = store.epoch;
    this.#gateway = new WorkerGateway({ owner: 'acceleration', service, domain, epoch: store.epoch });
    this.#settler = new Settler(service, domain, clock);
    const { sessionLeaseMilliseconds: leaseMilliseconds = DEFAULT_SESSION_LEASE_MILLISECONDS } = options;
    this.#leases = new SessionLeases({
      service,
      domain,
      settler: this.#settler,
      clock,
      epoch: store.epoch,
      leaseMilliseconds,
    });
    const noteFingerprints = async (dpu: Name, told: readonly GeneratedKeyVersion[]): Promise<boolean> => {
      const news = domain.newFingerprints(dpu, told);
      if (news.length === 0) return true;
      return (await service.change('system', (context) => ok(domain.noteFingerprints(dpu, news, context))))
        .ok;
    };
    this.#activities = new SessionActivities(domain, this.#leases, clock, noteFingerprints, random);
    this.#ends = new SessionEnds({
      service,
      domain,
      activities: this.#activities,
      settler: this.#settler,
      bus,
      clock,
    });
    this.#requests = new SessionRequests(service, domain, this.#activities, random);
    this.#tombstones = new TombstoneSweeper({ bus, clock, api: 'acceleration' });
    this.#states = new StateRepair({ bus, clock, random, api: 'acceleration', service, ...(log && { log }) });
    // What is projected is stored with the rest: this service places alone, too.
    this.#projections = (
      [
        ['admin', 'Dpu'],
        ['network', 'Port'],
      ] as const
    ).map(
      ([api, kind]) =>
        new ResourceProjection({
          bus,
          clock,
          random,
          api,
          kinds: [kind],
          known: () => domain.projected(kind),
          take: async (changes) => {
            const taken = await service.change(`service/${api}`, () => ok(domain.project(changes)));
            this.#settler.wake();
            return taken;
          },
        }),
    );
  }

  /** Why it does only a part of what it is for; undefined: it does everything. */
  get problem(): string | undefined {
    return publishingProblem(this.#relay);
  }

  /** A stream is another one than before: what was in it is published again, where that is this service's to do. */
  streamReplaced(stream: string): void {
    this.#states.streamReplaced(stream);
  }

  /** Takes over what is stored, publishes what a former run left, and follows DPUs and ports. */
  async start(): Promise<void> {
    await this.#resources.start();
    unwrap(await this.#resources.change('system', (context) => ok(this.#domain.adopt(this.#epoch, context))));
    for (const projection of this.#projections) await projection.start();
    this.#settler.wake();
    this.#leases.start();
    this.#ends.start();
    this.#tombstones.start();
    this.#states.start();
  }

  handleRequest(request: Received): Promise<Result<Message, AppError>> {
    const { kind, verb } = parseRequestSubject(request.subject) ?? {};
    if (kind === 'accelerationsession' && verb === 'token') return this.#requests.token(request);
    if (kind === 'accelerationsession' && verb === 'counters') return this.#requests.counters(request);
    return this.#resources.handleRequest(request);
  }

  handleIntent(delivery: Delivery): Promise<Settlement> {
    return this.#resources.handleIntent(delivery);
  }

  handleSync(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.sync(request);
  }

  handleFetch(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.fetch(request);
  }

  async handleObserved(request: Received): Promise<Result<Message, AppError>> {
    const answer = await this.#gateway.observed(request);
    this.#settler.wake();
    return answer;
  }

  async handleHeartbeat(request: Received): Promise<Result<Message, AppError>> {
    const answer = await this.#activities.heartbeat(request);
    this.#settler.wake();
    return answer;
  }

  /** To be called when nothing arrives any more: finishes what has arrived, then what has to be published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tombstones[Symbol.asyncDispose]();
    await this.#states[Symbol.asyncDispose]();
    await this.#leases[Symbol.asyncDispose]();
    await this.#ends[Symbol.asyncDispose]();
    for (const projection of this.#projections) await projection[Symbol.asyncDispose]();
    await this.#settler[Symbol.asyncDispose]();
    await this.#resources[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }
}
