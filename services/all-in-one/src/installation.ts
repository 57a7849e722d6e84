import { join } from 'node:path';
import type { EngineProbe } from '@outboard/acceleration';
import { AccelerationService } from '@outboard/acceleration-broker';
import { AdminService } from '@outboard/admin';
import { type Bus, type Endpoint, InProcessBroker, STREAMS } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { AppError, type Clock, type Random, systemClock, systemRandom, unwrap } from '@outboard/core';
import {
  createEngine,
  driverWithFaults,
  SimDriver,
  SimFabric,
  SimSwitch,
  type SwitchDifficulty,
} from '@outboard/dataplane';
import { createDataplaneWorker, type DataplaneWorker, type Log } from '@outboard/dataplane-worker';
import { NetworkIntentService } from '@outboard/network-intent';
import { intentConsumer } from '@outboard/resource-service';
import { openMemoryStore, type Store } from '@outboard/store';
import { hosting, lackingForAcceleration, socketDirectoryOf } from './acceleration.js';
import { PartLife } from './part-life.js';
import { AS_IT_IS, type Surroundings } from './surroundings.js';

/** A simulated DPU, and how hard its switch is to work with. */
export interface SimulatedDpu extends SwitchDifficulty {
  readonly name: string;
  readonly serialNumber: string;
  readonly pfMacAddress: string;
  /** How many virtual functions it has, `pf0vf0` and up. */
  readonly functions: number;
  /** Whether the host's own end of the physical function, `pf0hpf`, can have a port; absent: it can. */
  readonly physicalFunction?: boolean;
  readonly underlayAddress: string;
  /** Of its uplink besides, by which routers' IPv6 leaves where that is asked for; absent: it does not. */
  readonly ipv6Address?: string;
  /** Applications on this machine can use its engines, where nothing is lacking for that (`lackingForAcceleration`). */
  readonly acceleration?: boolean;
}

/** Of the services, by their APIs. */
export type Stores = Readonly<Record<'admin' | 'network' | 'acceleration', Store>>;

export interface InstallationOptions {
  /** Where workers keep their documents: a folder for each. */
  readonly directory: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  /** A worker that is not heard for so long is unreachable. */
  readonly leaseMilliseconds?: number;
  /** For so long a worker that is cut off may serve its acceleration sessions; default as the broker has it. */
  readonly sessionLeaseMilliseconds?: number;
  /** What is known of this machine's engines already; absent: they are tested and measured when a DPU is to have them. */
  readonly engines?: EngineProbe;
  /** Default: in memory; they go with the process. */
  readonly stores?: Omit<Stores, 'acceleration'> & Partial<Stores>;
  /** Asked each time that a part starts, by its name. */
  readonly surroundings?: Surroundings;
}

interface StandingDpu {
  readonly dpu: SimulatedDpu;
  readonly vswitch: SimSwitch;
  boots: number;
}

type Handler = Endpoint['handle'];

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const DEFAULT_LEASE_MILLISECONDS = 9_000;
/** Bytes: room for tunnels around packets of 1500. */
const UNDERLAY_MTU = 1_600;
/** As workers have it by default. */
const RESYNC_MILLISECONDS = 60_000;
const MAX_IN_FLIGHT = 1_000;

/**
 * Everything of Outboard in one process: the services as they are, on a bus in memory, and workers as they are, each
 * with a simulated switch. Parts end and start again one by one, as processes do; what they stored, and the switches, stay.
 */
export class Installation implements AsyncDisposable {
  readonly fabric = new SimFabric();
  readonly #broker: InProcessBroker;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #stores: Stores;
  readonly #surroundings: Surroundings;
  readonly #dpus = new Map<string, StandingDpu>();
  readonly #running = new Map<string, AsyncDisposable[]>();
  /** Of the parts that have begun to start and did not end in order. */
  readonly #lives = new Map<string, PartLife>();
  /** What has threads and sockets, which have to go before the same part starts again. */
  readonly #dataPaths = new Map<string, AsyncDisposable>();
  readonly #dying = new Map<string, Promise<void>>();
  #engines: Promise<EngineProbe> | undefined;

  private constructor(private readonly options: InstallationOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#log = options.log ?? SILENT;
    this.#stores = {
      admin: options.stores?.admin ?? openMemoryStore(),
      network: options.stores?.network ?? openMemoryStore(),
      acceleration: options.stores?.acceleration ?? openMemoryStore(),
    };
    this.#surroundings = options.surroundings ?? AS_IT_IS;
    this.#broker = new InProcessBroker({ clock: this.#clock, random: this.#random });
  }

  /** The bus and the services; no DPUs yet. */
  static async start(options: InstallationOptions): Promise<Installation> {
    const installation = new Installation(options);
    unwrap(await installation.#broker.provision(STREAMS, 'apply'));
    await installation.startAdmin();
    await installation.startNetworkIntent();
    await installation.startAccelerationBroker();
    return installation;
  }

  /** A connection that may do everything. */
  connect(): ReturnType<InProcessBroker['connect']> {
    return this.#broker.connect();
  }

  async startAdmin(): Promise<void> {
    const life = this.#begin('admin');
    const bus = this.#surroundings.bus('admin', this.#broker.connect());
    const { leaseMilliseconds = DEFAULT_LEASE_MILLISECONDS } = this.options;
    const admin = new AdminService({
      bus,
      store: this.#surroundings.store('admin', this.#stores.admin),
      clock: this.#clockOf('admin', life),
      random: this.#random,
      leaseMilliseconds,
    });
    await admin.start();
    await this.#serve('admin', life, bus, admin, {
      [subjects.allRequests('admin')]: (request) => admin.handleRequest(request),
      [subjects.allDpus('heartbeat', 'admin')]: (request) => admin.handleHeartbeat(request),
      [subjects.allDpus('inventory', 'admin')]: (request) => admin.handleInventory(request),
      [subjects.allDpus('confirm', 'admin')]: (request) => admin.handleConfirm(request),
      [subjects.allDpus('workload', 'admin')]: (request) => admin.handleWorkload(request),
      [subjects.allCnfs]: (request) => admin.handleCnf(request),
      [subjects.allDpus('sync', 'admin')]: (request) => admin.handleSync(request),
      [subjects.allDpus('fetch', 'admin')]: (request) => admin.handleFetch(request),
      [subjects.allDpus('observed', 'admin')]: (request) => admin.handleObserved(request),
    });
  }

  async startNetworkIntent(): Promise<void> {
    const life = this.#begin('network-intent');
    const bus = this.#surroundings.bus('network-intent', this.#broker.connect());
    const network = new NetworkIntentService({
      bus,
      store: this.#surroundings.store('network-intent', this.#stores.network),
      clock: this.#clockOf('network-intent', life),
      random: this.#random,
    });
    await network.start();
    await bus.consume(intentConsumer('network'), (delivery) => network.handleIntent(delivery));
    await this.#serve('network-intent', life, bus, network, {
      [subjects.allRequests('network')]: (request) => network.handleRequest(request),
      [subjects.allDpus('sync', 'network')]: (request) => network.handleSync(request),
      [subjects.allDpus('fetch', 'network')]: (request) => network.handleFetch(request),
      [subjects.allDpus('observed', 'network')]: (request) => network.handleObserved(request),
    });
  }

  async startAccelerationBroker(): Promise<void> {
    const life = this.#begin('acceleration-broker');
    const bus = this.#surroundings.bus('acceleration-broker', this.#broker.connect());
    const acceleration = new AccelerationService({
      bus,
      store: this.#surroundings.store('acceleration-broker', this.#stores.acceleration),
      clock: this.#clockOf('acceleration-broker', life),
      random: this.#random,
      sessionLeaseMilliseconds: this.options.sessionLeaseMilliseconds,
    });
    await acceleration.start();
    await bus.consume(intentConsumer('acceleration'), (delivery) => acceleration.handleIntent(delivery));
    await this.#serve('acceleration-broker', life, bus, acceleration, {
      [subjects.allRequests('acceleration')]: (request) => acceleration.handleRequest(request),
      [subjects.allDpus('sync', 'acceleration')]: (request) => acceleration.handleSync(request),
      [subjects.allDpus('fetch', 'acceleration')]: (request) => acceleration.handleFetch(request),
      [subjects.allDpus('observed', 'acceleration')]: (request) => acceleration.handleObserved(request),
      [subjects.allDpus('heartbeat', 'acceleration')]: (request) => acceleration.handleHeartbeat(request),
    });
  }

  /** Puts a DPU on the fabric, and starts its worker. */
  async addDpu(dpu: SimulatedDpu): Promise<DataplaneWorker> {
    const { name, functions, hardware, tableEntries } = dpu;
    const vswitch = new SimSwitch({ clock: this.#clock, hardware, tableEntries });
    // The host's own end comes first, as the functions' identities are told by its address.
    if (dpu.physicalFunction !== false) vswitch.plug('pf0hpf');
    for (let index = 0; index < functions; index++) vswitch.plug(`pf0vf${index}`);
    const standing = { dpu, vswitch, boots: 1 };
    this.#plugIn(standing);
    this.#dpus.set(name, standing);
    return this.startWorker(name);
  }

  /** The switch of a DPU. Throws for one that was not added. */
  vswitch(name: string): SimSwitch {
    return this.#dpu(name).vswitch;
  }

  /** Starts the worker of a DPU (again). */
  async startWorker(name: string): Promise<DataplaneWorker> {
    const { dpu, vswitch, boots } = this.#dpu(name);
    const { underlayAddress: address, ipv6Address } = dpu;
    const underlay = {
      device: 'up0',
      address,
      ipv6: ipv6Address !== undefined || address.includes(':'),
      mtu: UNDERLAY_MTU,
    };
    const dying = this.#dying.get(name);
    if (dying !== undefined) await dying;
    const life = this.#begin(name);
    const environment = { clock: this.#clockOf(name, life), random: this.#random };
    const latency = dpu.latency && { shape: dpu.latency, ...environment };
    const simulated = life.driver(new SimDriver({ vswitch, underlay, latency }));
    const faulty = driverWithFaults(simulated, dpu.faults, this.#random);
    const driver = this.#surroundings.driver(name, faulty);
    const bus = this.#surroundings.bus(name, this.#broker.connect());
    const owners = ['network'];
    const dataDirectory = join(this.options.directory, name);
    const acceleration = dpu.acceleration
      ? await this.#hostAcceleration(name, dataDirectory, environment)
      : undefined;
    if (acceleration !== undefined) {
      if (life.isOver) await acceleration[Symbol.asyncDispose]();
      else this.#dataPaths.set(name, acceleration);
    }
    const worker = await createDataplaneWorker({
      ...environment,
      identity: {
        dpu: name,
        serialNumber: dpu.serialNumber,
        host: `${name}-host`,
        pfMacAddress: dpu.pfMacAddress,
        incarnation: `boot-${boots}-of-${name}`,
        workerVersion: '0.1.0',
        kernelRelease: 'simulated',
        architecture: process.arch,
      },
      owners,
      dataDirectory,
      driver,
      engine: createEngine({ driver, owners, resyncMilliseconds: RESYNC_MILLISECONDS, ...environment }),
      acceleration,
      bus: Promise.resolve(bus),
      log: this.#log,
    });
    await this.#runs(name, life, [worker, bus]);
    return worker;
  }

  /** Ends a part in order: `admin`, `network-intent`, `acceleration-broker`, or the worker of a DPU. */
  async stop(name: string): Promise<void> {
    const parts = this.#running.get(name) ?? [];
    this.#running.delete(name);
    for (const part of parts) await part[Symbol.asyncDispose]();
    this.#dataPaths.delete(name);
    this.#lives.delete(name);
  }

  /**
   * A part dies, also while it starts: its connection is cut, its alarms are forgotten, its threads and sockets go, and nothing of
   * it ends in order. Of its switch and its files it leaves what is there.
   */
  kill(name: string): void {
    this.#lives.get(name)?.end();
    this.#lives.delete(name);
    const parts = this.#running.get(name) ?? [];
    this.#running.delete(name);
    void parts.at(-1)?.[Symbol.asyncDispose]();
    const dataPath = this.#dataPaths.get(name);
    if (dataPath === undefined) return;
    this.#dataPaths.delete(name);
    const dying = Promise.resolve(dataPath[Symbol.asyncDispose]());
    this.#dying.set(
      name,
      dying.finally(() => this.#dying.delete(name)),
    );
  }

  /** A DPU starts anew: its worker dies, and of its switch nothing is left but the functions. */
  reboot(name: string): void {
    this.kill(name);
    const dpu = this.#dpu(name);
    dpu.boots++;
    dpu.vswitch.reboot();
    this.#plugIn(dpu);
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#running.keys()].reverse()) await this.stop(name);
    await Promise.all(this.#dying.values());
  }

  /** The last one of what a part consists of is its connection. */
  async #runs(name: string, life: PartLife, parts: AsyncDisposable[]): Promise<void> {
    if (!life.isOver) {
      this.#running.set(name, parts);
      return;
    }
    await parts.at(-1)?.[Symbol.asyncDispose]();
    throw new AppError('CANCELLED', `${name} has died while it started`);
  }

  #begin(name: string): PartLife {
    const life = new PartLife();
    this.#lives.set(name, life);
    return life;
  }

  #clockOf(name: string, life: PartLife): Clock {
    return this.#surroundings.clock(name, life.clock(this.#clock));
  }

  /** All DPUs have the engines of this machine, which are tested and measured once. */
  async #hostAcceleration(
    name: string,
    dataDirectory: string,
    environment: { readonly clock: Clock; readonly random: Random },
  ) {
    const lacking = await lackingForAcceleration(this.options.directory, name);
    if (lacking !== undefined)
      throw new AppError('FAILED_PRECONDITION', `${name}: no acceleration: ${lacking}`);
    const { hostAcceleration } = await hosting();
    const { probeEngines } = await import('@outboard/acceleration');
    this.#engines ??= this.options.engines ? Promise.resolve(this.options.engines) : probeEngines();
    return hostAcceleration({
      ...environment,
      dataDirectory,
      socketDirectory: socketDirectoryOf(this.options.directory, name),
      lightThreads: 1,
      heavyThreads: 1,
      injectsFaults: true,
      probe: await this.#engines,
      log: this.#log,
    });
  }

  /** A DPU is on the fabric, with a kernel that remembers nothing. */
  #plugIn({ dpu: { name, underlayAddress, ipv6Address }, vswitch }: StandingDpu): void {
    this.fabric.add({ name, vswitch, underlayAddress, ipv6Address });
  }

  #dpu(name: string): StandingDpu {
    const found = this.#dpus.get(name);
    if (found === undefined) throw new Error(`there is no DPU ${name}`);
    return found;
  }

  async #serve(
    name: string,
    life: PartLife,
    bus: Bus,
    service: AsyncDisposable,
    handlers: Readonly<Record<string, Handler>>,
  ): Promise<void> {
    const endpoints = Object.entries(handlers).map(([subject, handle], index) => ({
      name: `endpoint-${index}`,
      subject,
      handle,
    }));
    const serving = await bus.serve({
      name,
      version: '0.1.0',
      description: name,
      maxInFlight: MAX_IN_FLIGHT,
      endpoints,
    });
    await this.#runs(name, life, [serving, service, bus]);
  }
}
