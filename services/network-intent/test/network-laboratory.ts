import { type Delivery, InProcessBroker, type Received, STREAMS } from '@outboard/bus';
import { HEADERS, subjects, type Verb } from '@outboard/contracts';
import { ok, systemRandom, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import { findCondition, kindOf, type Network, type Port, SYSTEM_TENANT } from '@outboard/model';
import type { PlannedKind } from '@outboard/planner';
import { intentConsumer } from '@outboard/resource-service';
import { serveEndpoints, settled, until } from '@outboard/resource-service/testing';
import { openMemoryStore, type Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import { NetworkIntentService } from '../src/index.js';
import { FakeAdmin, PF_MAC_ADDRESS, serialNumberOf } from './fake-admin.js';

type Kind = PlannedKind;

export interface Event {
  readonly name: string;
  readonly transition: string;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as it arrived
  readonly json: any;
}

/** How a port names a function. */
export const functionOf = (dpu: string, vfNumber: number) => ({
  serialNumber: serialNumberOf(dpu),
  pfMacAddress: PF_MAC_ADDRESS,
  vfNumber,
});

/** The tenant of resources of which none is said. */
const homeOf = (kind: Kind): string => (kindOf({ kind }).scope === 'system' ? SYSTEM_TENANT : 'acme');

/** The network-intent service with everything around it: admin, workers, and callers that publish intents. */
export class NetworkLaboratory {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock });
  readonly bus = this.broker.connect();
  readonly admin = new FakeAdmin(this.bus);
  readonly workers = new Map<string, FakeWorker>();
  readonly events: Event[] = [];
  /** Called instead of the service with every delivery of an intent, to disturb it. */
  disturb: (delivery: Delivery, handle: () => Promise<void>) => Promise<void> = (_, handle) => handle();
  service!: NetworkIntentService;
  #running: AsyncDisposable[] = [];
  #ids = 0;

  private constructor(readonly store: Store) {}

  static async open(store: Store = openMemoryStore()): Promise<NetworkLaboratory> {
    const laboratory = new NetworkLaboratory(store);
    unwrap(await laboratory.broker.provision(STREAMS, 'apply'));
    await laboratory.admin.serve();
    await laboratory.bus.watch(
      { stream: 'OUTBOARD_EVENT', filterSubject: 'outboard.v1alpha1.event.>', from: 0 },
      { message: (received) => laboratory.#heard(received) },
    );
    await laboratory.start();
    return laboratory;
  }

  async close(): Promise<void> {
    for (const worker of this.workers.values()) await worker.stop();
    await this.stop();
    await this.bus[Symbol.asyncDispose]();
    await this.store[Symbol.asyncDispose]();
  }

  async start(): Promise<void> {
    const bus = this.broker.connect();
    const { clock, store } = this;
    const service = new NetworkIntentService({ bus, store, clock, random: systemRandom });
    await service.start();
    const serving = await serveEndpoints(bus, 'network-intent', {
      [subjects.allRequests('network')]: (request) => service.handleRequest(request),
      [subjects.allDpus('sync', 'network')]: (request) => service.handleSync(request),
      [subjects.allDpus('fetch', 'network')]: (request) => service.handleFetch(request),
      [subjects.allDpus('observed', 'network')]: (request) => service.handleObserved(request),
    });
    const consuming = await bus.consume(intentConsumer('network'), async (delivery) => {
      let settlement: Awaited<ReturnType<typeof service.handleIntent>> = { kind: 'ack' };
      await this.disturb(delivery, async () => {
        settlement = await service.handleIntent(delivery);
      });
      return settlement;
    });
    this.service = service;
    this.#running = [consuming, serving, service, bus];
    await clock.advance(0);
    await settled();
  }

  async stop(): Promise<void> {
    for (const one of this.#running.splice(0)) await one[Symbol.asyncDispose]();
  }

  /** The process ends and starts again over the same store. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async worker(dpu: string): Promise<FakeWorker> {
    const worker = new FakeWorker(this.broker.connect(), dpu, 'network');
    this.workers.set(dpu, worker);
    await worker.start();
    return worker;
  }

  /** DPUs with so many functions each, and a worker on every one. */
  async fleet(dpus: readonly string[], functions: number): Promise<FakeWorker[]> {
    for (const dpu of dpus) await this.admin.putAll(dpu, functions);
    await this.quiet();
    return Promise.all(dpus.map((dpu) => this.worker(dpu)));
  }

  /** Publishes an intent; resolves with its message id. */
  async publish(
    kind: Kind,
    name: string,
    spec: object | undefined,
    { tenant = homeOf(kind), messageId = `id-${++this.#ids}`, labels = {} } = {},
  ): Promise<string> {
    const headers = spec ? {} : { [HEADERS.operation]: 'delete' };
    const manifest = {
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind,
      metadata: { tenant, name, labels },
      spec,
    };
    const subject = subjects.intent({ tenant, api: 'network', kind: kind.toLowerCase(), name });
    const body = Buffer.from(spec ? JSON.stringify(manifest) : '');
    unwrap(await this.bus.publish(subject, { headers, body }, { messageId }));
    return messageId;
  }

  /** Publishes and awaits the answer. */
  async apply(...intent: Parameters<NetworkLaboratory['publish']>): Promise<Event> {
    const heard = this.events.length;
    const messageId = await this.publish(...intent);
    const transitions = ['accepted', 'refused', ...(intent[2] ? [] : ['deleted'])];
    return until(() =>
      this.events
        .slice(heard)
        .find(
          ({ headers, transition }) =>
            headers[HEADERS.cause] === messageId && transitions.includes(transition),
        ),
    );
  }

  /** Network `blue` with one IPv4 subnet. */
  async blue(spec: object = { mtu: 1450 }): Promise<void> {
    await this.apply('Network', 'blue', spec);
    await this.apply('Subnet', 'blue-v4', { network: 'blue', cidr: '10.0.1.0/24' });
  }

  async request(verb: Verb, kind: string, body: unknown, tenant = 'acme') {
    const reply = await this.bus.request(
      subjects.rpc(tenant, 'network', kind, verb),
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { deadlineMilliseconds: 1_000 },
    );
    return reply.ok ? ok(JSON.parse(Buffer.from(reply.value.body).toString())) : reply;
  }

  /** Nothing moves any more, as far as that goes without time passing. */
  async quiet(): Promise<void> {
    await settled();
    for (const worker of this.workers.values()) await worker.idle();
    await settled();
  }

  port(name: string, tenant = 'acme'): Port | undefined {
    return this.#stored('Port', tenant, name) as Port | undefined;
  }

  network(name: string, tenant = 'acme'): Network | undefined {
    return this.#stored('Network', tenant, name) as Network | undefined;
  }

  /** Status and reason of a condition of a port: `True AppliedAndReadBack`. */
  condition(name: string, type: Parameters<typeof findCondition>[1]): string | undefined {
    const condition = findCondition(this.port(name)?.status.conditions ?? [], type);
    return condition && `${condition.status} ${condition.reason}`;
  }

  /** What happened to a resource, oldest first. */
  transitions(name: string): string[] {
    return this.events.filter((event) => event.name === name).map(({ transition }) => transition);
  }

  event(name: string, transition: string): Event {
    const found = this.events.findLast((event) => event.name === name && event.transition === transition);
    if (!found) throw new Error(`no ${transition} of ${name}, only ${this.transitions(name)}`);
    return found;
  }

  #heard({ subject, headers, body }: Received): void {
    const [, , , , , , name = '', transition = ''] = subject.split('.');
    this.events.push({ name, transition, headers, json: JSON.parse(Buffer.from(body).toString()) });
  }

  #stored(kind: Kind, tenant: string, name: string): unknown {
    const row = this.store.read((snapshot) => snapshot.get({ kind, tenant, name }));
    return row && JSON.parse(row.value).record.resource;
  }
}
