import type { Delivery, Message, Received, Settlement, StreamBus } from '@outboard/bus';
import { parseRequestSubject } from '@outboard/contracts';
import { type AppError, type Clock, ok, type Random, type Result } from '@outboard/core';
import { WorkerGateway } from '@outboard/document-owner';
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
import { NetworkDomain } from '../domain/network-domain.js';
import { inventoryChangeOf } from '../domain/projection.js';
import { Counters, HOPS, RULES } from './counters.js';
import { explanationReply, parseExplain } from './explain.js';
import { Layer1 } from './layer1.js';

export interface NetworkIntentServiceOptions {
  readonly bus: StreamBus;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: RelayLog;
}

/** Networks, subnets and ports, and the documents that follow from them: the service, whatever shell it runs in. */
export class NetworkIntentService implements AsyncDisposable {
  readonly #domain = new NetworkDomain();
  readonly #resources: ResourceService;
  readonly #gateway: WorkerGateway;
  readonly #layer1: Layer1;
  readonly #ruleCounters: Counters;
  readonly #hopCounters: Counters;
  readonly #inventory: ResourceProjection;
  readonly #relay: OutboxRelay;
  readonly #tombstones: TombstoneSweeper;
  readonly #states: StateRepair;
  #isRetelling = false;

  constructor({ bus, store, clock, random, log }: NetworkIntentServiceOptions) {
    const domain = this.#domain;
    this.#relay = relayToBus({ bus, store, clock, random, ...(log && { log }) });
    this.#resources = new ResourceService({
      name: 'network-intent',
      store,
      domain,
      relay: this.#relay,
      clock,
      random,
      finish: (transaction, context) => {
        this.#gateway.publishDeltas(transaction, context);
        this.#retell();
      },
      reloaded: () => this.#gateway.forget(),
    });
    this.#gateway = new WorkerGateway({
      owner: 'network',
      service: this.#resources,
      domain,
      epoch: store.epoch,
    });
    this.#tombstones = new TombstoneSweeper({ bus, clock, api: 'network' });
    this.#states = new StateRepair({
      bus,
      clock,
      random,
      api: 'network',
      service: this.#resources,
      ...(log && { log }),
    });
    this.#layer1 = new Layer1(bus, (dpu) => this.#resources.query(() => domain.knowsDpu(dpu)));
    this.#ruleCounters = new Counters(bus, RULES, (tenant, name) =>
      this.#resources.query(() => domain.placesOfPolicy(tenant, name)),
    );
    this.#hopCounters = new Counters(bus, HOPS, (tenant, name) =>
      this.#resources.query(() => domain.placesOfChain(tenant, name)),
    );
    // What is projected is stored with the rest: this service plans alone, too.
    this.#inventory = new ResourceProjection({
      bus,
      clock,
      random,
      api: 'admin',
      kinds: ['Dpu', 'Function'],
      known: () => domain.inventory(),
      take: (changes) =>
        this.#resources.change('service/admin', (context) => {
          const inventoryChanges = changes.flatMap((change) => inventoryChangeOf(change) ?? []);
          return ok(domain.project(inventoryChanges, context));
        }),
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

  /** Takes over what is stored, publishes what a former run left, and follows the inventory. */
  async start(): Promise<void> {
    await this.#resources.start();
    this.#retell();
    await this.#inventory.start();
    this.#tombstones.start();
    this.#states.start();
  }

  /** Goes on with what is to be told and was too much for one commit; after one that failed, with the next change. */
  #retell(): void {
    if (this.#isRetelling || !this.#domain.hasOutdated) return;
    this.#isRetelling = true;
    const retold = this.#resources.change('system', (context) => ok(this.#domain.retell(context)));
    void retold.then(({ ok: isWritten }) => {
      this.#isRetelling = false;
      if (isWritten) this.#retell();
    });
  }

  handleRequest(request: Received): Promise<Result<Message, AppError>> {
    const { kind, verb } = parseRequestSubject(request.subject) ?? {};
    if (kind === 'layer1' && verb === 'list') return this.#layer1.list(request);
    if (kind === 'securitypolicy' && verb === 'counters') return this.#ruleCounters.list(request);
    if (kind === 'servicechain' && verb === 'counters') return this.#hopCounters.list(request);
    if (kind === 'port' && verb === 'explain') return this.#explain(request);
    return this.#resources.handleRequest(request);
  }

  async #explain(request: Received): Promise<Result<Message, AppError>> {
    const flow = parseExplain(request);
    if (!flow.ok) return flow;
    const explained = await this.#resources.query(() => this.#domain.explain(flow.value));
    return explained.ok ? ok(explanationReply(explained.value)) : explained;
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

  handleObserved(request: Received): Promise<Result<Message, AppError>> {
    return this.#gateway.observed(request);
  }

  /** To be called when nothing arrives any more: finishes what has arrived, then what has to be published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tombstones[Symbol.asyncDispose]();
    await this.#states[Symbol.asyncDispose]();
    await this.#inventory[Symbol.asyncDispose]();
    await this.#resources[Symbol.asyncDispose]();
    await this.#relay[Symbol.asyncDispose]();
  }
}
