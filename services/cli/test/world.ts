import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { jest } from '@jest/globals';
import { AccelerationService } from '@outboard/acceleration-broker';
import { AdminService } from '@outboard/admin';
import {
  type Bus,
  type Delivery,
  InProcessBroker,
  type Received,
  STREAM,
  STREAMS,
  type StreamBus,
  type Subscription,
} from '@outboard/bus';
import {
  type AccelerationFaultRequest,
  AccelerationFaultRequestSchema,
  AccelerationFaultResponseSchema,
  AccelerationStatisticsResponseSchema,
  CountersResponseSchema,
  decodeBinary,
  encodeBinary,
  HeartbeatRequestSchema,
  type InspectRequest,
  InspectRequestSchema,
  InspectResponseSchema,
  InventoryReportSchema,
  ObservedReportSchema,
  SyncRequestSchema,
  SyncResponseSchema,
  subjects,
} from '@outboard/contracts';
import { ok, systemClock, systemRandom, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import { NetworkIntentService } from '@outboard/network-intent';
import { settled } from '@outboard/resource-service/testing';
import { openMemoryStore } from '@outboard/store';
import { runOutboard } from '../src/run.js';
import type { Settings } from '../src/settings.js';

// Whole systems on a machine that has other things to do: only what hangs may fail for its time.
jest.setTimeout(60_000);

/** What a command line has come to. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs: it can be looked at and ended. */
export interface Running extends PromiseLike<Outcome> {
  /** Resolves when standard output has such a text; rejects when the command ends without it. */
  shows(text: string | RegExp): Promise<string>;
  interrupt(): void;
}

export interface RunOptions {
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly isInteractive?: boolean;
  readonly connect?: (settings: Settings) => Promise<StreamBus>;
}

const SERIAL_NUMBER = 'OB-SIM-0001';
const PF_MAC_ADDRESS = '02:0b:00:00:01:00';

/** The function that a port of the tests binds. */
export const functionOf = (vfNumber: number): object => ({
  serialNumber: SERIAL_NUMBER,
  pfMacAddress: PF_MAC_ADDRESS,
  vfNumber,
});

const resource = (kind: string, name: string, spec: object, metadata: object = {}): object => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind,
  metadata: { tenant: 'acme', name, ...metadata },
  spec,
});

/** Manifests of tenant acme. */
export const network = (name: string, spec: object = {}, metadata: object = {}): object =>
  resource('Network', name, spec, metadata);
export const subnet = (name: string, cidr: string): object =>
  resource('Subnet', name, { network: 'blue', cidr });
export const port = (name: string, spec: object = {}, metadata: object = {}): object =>
  resource('Port', name, { network: 'blue', ...spec }, metadata);

/** Manifests of what belongs to no tenant. */
export const ofNoTenant = (kind: string, name: string, spec: object): object =>
  resource(kind, name, spec, { tenant: '_' });

/** Manifests as standard input. */
export const list = (...items: object[]): { input: string } => ({
  input: JSON.stringify({ kind: 'List', items }),
});

/**
 * Consumes the network's intents as their service would, and parks each one with what `park` answers; undefined: it is
 * handled.
 */
export const parkIntents = (
  bus: Bus,
  park: (delivery: Delivery) => string | undefined,
): Promise<Subscription> =>
  bus.consume(
    {
      stream: STREAM.intent.name,
      durable: 'network-intents',
      filterSubject: subjects.allIntents('network'),
      maxInFlight: 8,
      backoffMilliseconds: [0],
      maxDeliveries: 3,
    },
    async (delivery) => {
      const reason = park(delivery);
      return reason === undefined ? { kind: 'ack' } : { kind: 'park', reason };
    },
  );

type ServedApi = 'admin' | 'network' | 'acceleration';

const SERVICE_NAMES: Readonly<Record<ServedApi, string>> = {
  admin: 'admin',
  network: 'network-intent',
  acceleration: 'acceleration-broker',
};

/** A connection in a role. */
export type Connect = (
  role: 'admin' | 'network-intent' | 'acceleration-broker' | 'worker-dpu-1',
) => Promise<StreamBus>;

/** The services of Outboard, a DPU without a dataplane, and the command as a user has it. */
export class World implements AsyncDisposable {
  readonly #broker = new InProcessBroker();
  readonly #parts: AsyncDisposable[] = [];
  readonly #commands: RunningCommand[] = [];
  readonly #services = new Map<ServedApi, Subscription>();
  #counted: Uint8Array | undefined;
  #worker: StreamBus | undefined;

  /** @param connect default: to a broker inside the process. */
  static async open(connect?: Connect): Promise<World> {
    const world = new World();
    await world.#start(connect ?? (async () => world.connect()));
    return world;
  }

  async #start(connect: Connect): Promise<void> {
    const buses = {
      admin: await connect('admin'),
      network: await connect('network-intent'),
      acceleration: await connect('acceleration-broker'),
    };
    this.#worker = await connect('worker-dpu-1');
    this.#parts.push(buses.admin, buses.network, buses.acceleration, this.#worker);
    unwrap(await buses.admin.streams.provision(STREAMS, 'apply'));
    const admin = new AdminService({ ...this.#ports(buses.admin), leaseMilliseconds: 600_000 });
    const network = new NetworkIntentService(this.#ports(buses.network));
    const acceleration = new AccelerationService(this.#ports(buses.acceleration));
    for (const service of [admin, network, acceleration]) {
      await service.start();
      this.#parts.push(service);
    }
    await this.#serve('admin', buses.admin, [
      [subjects.allRequests('admin'), (request) => admin.handleRequest(request)],
      [subjects.allDpus('inventory', 'admin'), (request) => admin.handleInventory(request)],
      [subjects.allDpus('heartbeat', 'admin'), (request) => admin.handleHeartbeat(request)],
      [subjects.allDpus('workload', 'admin'), (request) => admin.handleWorkload(request)],
      [subjects.allDpus('sync', 'admin'), (request) => admin.handleSync(request)],
      [subjects.allDpus('fetch', 'admin'), (request) => admin.handleFetch(request)],
      [subjects.allDpus('observed', 'admin'), (request) => admin.handleObserved(request)],
      [subjects.allCnfs, (request) => admin.handleCnf(request)],
    ]);
    await this.#serve('network', buses.network, [
      [subjects.allRequests('network'), (request) => network.handleRequest(request)],
      [subjects.allDpus('sync', 'network'), (request) => network.handleSync(request)],
      [subjects.allDpus('observed', 'network'), (request) => network.handleObserved(request)],
    ]);
    await this.#serve('acceleration', buses.acceleration, [
      [subjects.allRequests('acceleration'), (request) => acceleration.handleRequest(request)],
    ]);
  }

  /** Another connection to the broker inside the process. */
  connect(): StreamBus {
    return this.#broker.connect();
  }

  /** Runs a command line as a user would. */
  outboard(commandLine: string | readonly string[], options: RunOptions = {}): Running {
    const args = typeof commandLine === 'string' ? commandLine.split(' ') : commandLine;
    const running = new RunningCommand(args, options, () => Promise.resolve(this.#broker.connect()));
    this.#commands.push(running);
    return running;
  }

  /** Nobody answers for an API any more. */
  async stopAnswering(api: ServedApi): Promise<void> {
    await this.#services.get(api)?.[Symbol.asyncDispose]();
  }

  /** A worker registers `dpu-1` with so many functions. */
  async registerDpu(functions: number): Promise<void> {
    const report = create(InventoryReportSchema, {
      incarnation: 'boot-1',
      serialNumber: SERIAL_NUMBER,
      host: 'host-1.example',
      workerVersion: '0.1.0',
      kernelRelease: '6.1.0',
      architecture: 'x86_64',
      driver: 'memory',
      underlay: { device: 'p0', address: '192.0.2.1', mtu: 9000 },
      functions: Array.from({ length: functions }, (_, vfNumber) => ({
        flavour: 'PCI_VF',
        vfNumber,
        pfMacAddress: PF_MAC_ADDRESS,
        netdev: `pf0vf${vfNumber}`,
        attachment: 'HOST',
        active: true,
        attached: true,
      })),
    });
    const subject = subjects.dpu('dpu-1', 'inventory', 'admin');
    await this.#ask(subject, encodeBinary(InventoryReportSchema, report));
    // The other services hear of it.
    await settled();
  }

  /** The worker of `dpu-1` does what admin's document says, and tells so. */
  async obeyAdmin(): Promise<void> {
    const worker = new FakeWorker(this.#broker.connect(), 'dpu-1', 'admin');
    this.#parts.push({ [Symbol.asyncDispose]: () => worker.stop() });
    await worker.start();
  }

  /** The worker of `dpu-1` is alive, and every owner knows that it has applied everything. */
  async beat(): Promise<void> {
    const beat = create(HeartbeatRequestSchema, { incarnation: 'boot-1', settled: true });
    await this.#ask(subjects.dpu('dpu-1', 'heartbeat', 'admin'), encodeBinary(HeartbeatRequestSchema, beat));
  }

  /** The worker of `dpu-1` tells that it has applied everything. */
  async reportApplied(): Promise<void> {
    const request = encodeBinary(SyncRequestSchema, create(SyncRequestSchema, { incarnation: 'boot-1' }));
    const answer = await this.#ask(subjects.dpu('dpu-1', 'sync', 'network'), request);
    const { answer: synchronised } = unwrap(decodeBinary(SyncResponseSchema, answer));
    if (synchronised.case !== 'fetch') throw new Error('a worker that has nothing is told to fetch');
    const { version } = synchronised.value;
    const report = create(ObservedReportSchema, { incarnation: 'boot-1', ...(version && { version }) });
    await this.#ask(subjects.dpu('dpu-1', 'observed', 'network'), encodeBinary(ObservedReportSchema, report));
  }

  /** The worker of `dpu-1` shows these objects, whatever it is asked for; the questions that it got. */
  async showLayer1(
    objects: NonNullable<MessageInitShape<typeof InspectResponseSchema>['objects']>,
  ): Promise<readonly InspectRequest[]> {
    const questions: InspectRequest[] = [];
    const answer = encodeBinary(InspectResponseSchema, create(InspectResponseSchema, { objects }));
    await this.#answer('inspect', (body) => {
      questions.push(unwrap(decodeBinary(InspectRequestSchema, body)));
      return answer;
    });
    return questions;
  }

  /** The worker of dpu-1 tells this of every policy and chain from now on. */
  async showCounters(counters: MessageInitShape<typeof CountersResponseSchema>): Promise<void> {
    const isServed = this.#counted !== undefined;
    this.#counted = encodeBinary(CountersResponseSchema, create(CountersResponseSchema, counters));
    if (!isServed) await this.#answer('counters', () => this.#counted ?? new Uint8Array());
  }

  /** The worker of dpu-1 tells this of its data path, the last of it again and again; the commands for faults that it got. */
  async showAcceleration(
    ...statistics: MessageInitShape<typeof AccelerationStatisticsResponseSchema>[]
  ): Promise<readonly AccelerationFaultRequest[]> {
    const commands: AccelerationFaultRequest[] = [];
    let next = 0;
    await this.#answer(
      'statistics',
      () => {
        const told = statistics[Math.min(next++, statistics.length - 1)] ?? {};
        const schema = AccelerationStatisticsResponseSchema;
        return encodeBinary(schema, create(schema, told));
      },
      'acceleration',
    );
    await this.#answer(
      'faults',
      (body) => {
        const request = unwrap(decodeBinary(AccelerationFaultRequestSchema, body));
        commands.push(request);
        const { case: verb, value: fault } = request.command;
        const faults = verb === 'inject' ? [{ id: '1', injected: 0, fault }] : [];
        const schema = AccelerationFaultResponseSchema;
        return encodeBinary(schema, create(schema, { faults }));
      },
      'acceleration',
    );
    return commands;
  }

  async #answer(
    channel: 'inspect' | 'counters' | 'statistics' | 'faults',
    reply: (body: Uint8Array) => Uint8Array,
    owner = 'network',
  ): Promise<void> {
    const service = await this.#worker?.serve({
      name: 'dataplane-worker',
      version: '0.1.0',
      description: 'the worker of a test',
      maxInFlight: 8,
      endpoints: [
        {
          name: channel,
          subject: subjects.dpu('dpu-1', channel, owner),
          handle: async ({ body }) => ok({ headers: {}, body: reply(body) }),
        },
      ],
    });
    if (service) this.#parts.push(service);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What a test that has failed has left waiting would keep the process from its end.
    for (const command of this.#commands) command.interrupt();
    for (const service of this.#services.values()) await service[Symbol.asyncDispose]();
    for (const part of this.#parts.reverse()) await part[Symbol.asyncDispose]();
  }

  #ports(bus: StreamBus) {
    const store = openMemoryStore();
    this.#parts.push(store);
    return { bus, store, clock: systemClock, random: systemRandom };
  }

  async #serve(
    api: ServedApi,
    bus: StreamBus,
    endpoints: readonly (readonly [
      string,
      (request: Received) => ReturnType<AdminService['handleRequest']>,
    ])[],
  ): Promise<void> {
    const name = SERVICE_NAMES[api];
    const service = await bus.serve({
      name,
      version: '0.1.0',
      description: `the ${name} service of a test`,
      maxInFlight: 4096,
      endpoints: endpoints.map(([subject, handle], index) => ({
        name: `endpoint-${index}`,
        subject,
        handle,
      })),
    });
    this.#services.set(api, service);
  }

  async #ask(subject: string, body: Uint8Array): Promise<Uint8Array> {
    if (!this.#worker) throw new Error('the world has no worker yet');
    const message = { headers: {}, body };
    return unwrap(await this.#worker.request(subject, message, { deadlineMilliseconds: 10_000 })).body;
  }
}

class RunningCommand implements Running {
  readonly #interrupted = new AbortController();
  readonly #watchers = new Set<() => void>();
  readonly #outcome: Promise<Outcome>;
  #stdout = '';
  #stderr = '';
  #ended = false;

  constructor(args: readonly string[], options: RunOptions, connect: () => Promise<StreamBus>) {
    this.#outcome = this.#run(args, options, connect);
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited like the command that it is
  get then(): Promise<Outcome>['then'] {
    return this.#outcome.then.bind(this.#outcome);
  }

  shows(text: string | RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const found = typeof text === 'string' ? this.#stdout.includes(text) : text.test(this.#stdout);
        if (found) resolve(this.#stdout);
        else if (this.#ended) reject(new Error(`ended without ${text}: ${this.#stdout}${this.#stderr}`));
      };
      this.#watchers.add(look);
      look();
    });
  }

  interrupt(): void {
    this.#interrupted.abort();
  }

  async #run(
    args: readonly string[],
    { input = '', environment = {}, isInteractive = false, connect }: RunOptions,
    usualConnect: () => Promise<StreamBus>,
  ): Promise<Outcome> {
    const exitCode = await runOutboard(args, {
      terminal: {
        isInteractive,
        write: async (text) => {
          this.#stdout += text;
          this.#look();
        },
        tell: (text) => {
          this.#stderr += text;
          this.#look();
        },
        readInput: async () => Buffer.from(input),
      },
      environment,
      directory: '/',
      clock: systemClock,
      signal: this.#interrupted.signal,
      connect: connect ?? usualConnect,
    });
    this.#ended = true;
    this.#look();
    return { exitCode, stdout: this.#stdout, stderr: this.#stderr };
  }

  #look(): void {
    for (const look of this.#watchers) look();
  }
}
