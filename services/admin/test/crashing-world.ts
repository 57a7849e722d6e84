import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type Bus, InProcessBroker, type Message, STREAMS } from '@outboard/bus';
import {
  AdminObjectSchema,
  decodeBinary,
  encodeBinary,
  HEADERS,
  HeartbeatRequestSchema,
  type HeartbeatResponse,
  HeartbeatResponseSchema,
  ObjectProblem_State,
  subjects,
  WorkloadReportSchema,
} from '@outboard/contracts';
import { AppError, err, ok, type Result, systemRandom, unwrap } from '@outboard/core';
import { FakeWorker } from '@outboard/document-owner/testing';
import { type Dpu, decodeResource, type LifecycleStatus } from '@outboard/model';
import { settled } from '@outboard/resource-service/testing';
import { openSqliteStore, type Store } from '@outboard/store';
import { ManualClock } from '@outboard/testkit';
import { AdminService } from '../src/index.js';
import { encodeInventory, portOf, reportOf, serveAdmin } from './admin-laboratory.js';
import { Fate, MortalProcess } from './mortal-process.js';

/** So long that minutes can pass between two heartbeats. */
export const LEASE_MILLISECONDS = 600_000;
const PORT = 'web';
const MAX_ATTEMPTS = 100;
/** Of the event loop: nobody takes more from one of its steps to the next. */
const TURNS = 6;

/** What is wanted of the DPU, and how its worker and what runs there behave. */
export interface Levels {
  readonly approved: boolean;
  readonly desired: 'READY' | 'MAINTENANCE' | 'RETIRED';
  readonly drainSeconds: number;
  readonly forceDrain: boolean;
  readonly rebootRequest: string;
  readonly retryRequest: string;
  readonly isAlive: boolean;
  readonly settled: boolean;
  readonly rebootProblem: string;
  /** A port names one of its functions. */
  readonly isBound: boolean;
  /** A workload that names the DPU is wanted. */
  readonly isPinned: boolean;
  /** Programs end when they are told to. */
  readonly ends: boolean;
}

const BEGINNING: Levels = {
  approved: true,
  desired: 'READY',
  drainSeconds: 3_600,
  forceDrain: false,
  rebootRequest: '',
  retryRequest: '',
  isAlive: true,
  settled: true,
  rebootProblem: '',
  isBound: false,
  isPinned: false,
  ends: true,
};

/** A change of levels, time that passes, the wall clock that is moved, or the DPU that loses its power for a moment. */
export interface Step extends Partial<Levels> {
  readonly passed?: number;
  readonly jumped?: number;
  readonly powerCut?: true;
  /** The service dies after so many of its steps, and whatever follows it after so many of its own. */
  readonly deaths?: readonly number[];
}

/** A DPU with its worker and what it runs. */
class Machine {
  #boots = 1;
  readonly worker: FakeWorker;
  /** Uids of the workloads whose programs run. */
  readonly running = new Set<string>();

  constructor(
    readonly name: string,
    readonly memoryMebibytes: number,
    bus: Bus,
  ) {
    this.worker = new FakeWorker(bus, name, 'admin');
    this.worker.isReporting = false;
  }

  get report() {
    const incarnation = `${this.name}-boot-${this.#boots}`;
    const { memoryMebibytes } = this;
    return reportOf(`SN-${this.name}`, { incarnation, cpuMillicores: 8_000, memoryMebibytes });
  }

  reboot(): void {
    this.#boots++;
    this.running.clear();
    this.worker.reboot();
  }

  /** Nobody knows it: it gets nothing, and ends what it has. */
  disown(): void {
    this.worker.reboot();
  }

  /** Programs are started as they are wanted, and those that are not end, if they do. */
  run(ends: boolean): void {
    const wanted = new Set(this.worker.keys('workload').map((key) => key.slice('workload/'.length)));
    for (const uid of wanted) this.running.add(uid);
    this.worker.problems.clear();
    for (const uid of [...this.running]) {
      if (wanted.has(uid)) continue;
      if (ends) this.running.delete(uid);
      else
        this.worker.problems.set(`workload/${uid}`, { state: ObjectProblem_State.PENDING, underWay: true });
    }
  }
}

/**
 * The admin service with a store in SQLite, whose process dies when the fate says so and is started again, and two DPUs.
 * Everybody asks again until there is an answer, as over a real bus.
 */
export class CrashingWorld implements AsyncDisposable {
  readonly fate = new Fate();
  readonly clock = new ManualClock(Date.UTC(2026, 10, 27));
  /** What was told of the DPU, in order. */
  readonly told: Dpu[] = [];
  readonly #broker = new InProcessBroker({ clock: this.clock });
  readonly #bus = this.#broker.connect();
  readonly #directory = mkdtempSync(join(tmpdir(), 'outboard-admin-'));
  readonly #machines: readonly [Machine, Machine];
  #levels = BEGINNING;
  #ids = 0;
  /** What `onTold` has thrown first. */
  #failure: unknown;
  #process!: MortalProcess;
  #world!: { readonly store: Store; readonly bus: ReturnType<InProcessBroker['connect']> };

  private constructor(private readonly onTold: (dpu: Dpu, world: CrashingWorld) => void) {
    // What a process that dies does not answer is asked again.
    const bus: Bus = {
      ...passed(this.#bus),
      request: async (...asked) =>
        (await this.#process.whileAlive(this.#bus.request(...asked))) ??
        err(new AppError('UNAVAILABLE', 'nobody answers')),
    };
    this.#machines = [new Machine('dpu-7', 8_192, bus), new Machine('dpu-8', 4_096, bus)];
  }

  static async open(onTold: (dpu: Dpu, world: CrashingWorld) => void): Promise<CrashingWorld> {
    const world = new CrashingWorld(onTold);
    unwrap(await world.#broker.provision(STREAMS, 'apply'));
    await world.#bus.watch(
      { stream: 'OUTBOARD_STATE', filterSubject: 'outboard.v1alpha1.state._.admin.dpu.dpu-7', from: 0 },
      { message: (message) => world.#tell(message) },
    );
    await world.#bus.serve({
      name: 'network-intent',
      version: '1.0.0',
      description: 'lists ports',
      maxInFlight: 10,
      endpoints: [
        {
          name: 'list',
          subject: subjects.rpc('_', 'network', 'port', 'list'),
          handle: async () => ok(json({ items: world.#levels.isBound ? [PORT_OBJECT] : [] })),
        },
      ],
    });
    await world.#begin();
    for (const { worker } of world.#machines) await worker.start();
    await world.step({});
    await world.#want('Workload', { tenant: 'acme', name: 'mover' }, { command: ['/bin/true'] });
    await world.#turn();
    return world;
  }

  /** Programs of workloads run on the DPU. */
  get runs(): boolean {
    return this.#machines[0].running.size > 0;
  }

  /** The DPU as it is stored; undefined: it is not. */
  get dpu(): Dpu | undefined {
    const row = this.#world.store.read((snapshot) =>
      snapshot.get({ kind: 'Dpu', tenant: '_', name: 'dpu-7' }),
    );
    return row && JSON.parse(row.value).record;
  }

  get lifecycle(): LifecycleStatus | undefined {
    return this.dpu?.status.lifecycle;
  }

  /** Both DPUs have what the service says that they shall have, and run it. */
  get areInOrder(): boolean {
    return this.#machines.every(({ worker }) => worker.isConsistent);
  }

  /** Throws what `onTold` has thrown. */
  async step({ passed = 0, jumped = 0, powerCut, deaths = [], ...levels }: Step): Promise<void> {
    this.fate.dieAfter(deaths);
    const before = this.#levels;
    this.#levels = { ...before, ...levels };
    const [machine] = this.#machines;
    machine.worker.isCutOff = !this.#levels.isAlive;
    if (powerCut) machine.reboot();
    this.clock.jump(jumped);
    await this.#speak(before);
    await this.#turn();
    for (let left = passed; left > 0; left -= LEASE_MILLISECONDS / 2) {
      await this.clock.advance(Math.min(left, LEASE_MILLISECONDS / 2));
      await this.#turn();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bury();
    await this.#bus[Symbol.asyncDispose]();
    rmSync(this.#directory, { recursive: true });
  }

  #tell({ headers, body }: Message): void {
    if (headers[HEADERS.operation] === 'delete' || body.length === 0) return;
    const dpu = unwrap(decodeResource(JSON.parse(Buffer.from(body).toString()))) as Dpu;
    this.told.push(dpu);
    try {
      this.onTold(dpu, this);
    } catch (failure) {
      this.#failure ??= failure;
    }
  }

  /** Whoever wants something says so. */
  async #speak(before: Levels): Promise<void> {
    const { approved, desired, drainSeconds, forceDrain, rebootRequest, retryRequest, isBound, isPinned } =
      this.#levels;
    const lifecycle = { desired, drainSeconds, forceDrain, rebootRequest, retryRequest };
    if (isBound !== before.isBound) await this.#bind(isBound);
    await this.#want('Dpu', { name: 'dpu-7' }, { lifecycle, approved });
    if (isPinned === before.isPinned) return;
    const metadata = { tenant: 'acme', name: 'pinned' };
    if (isPinned) await this.#want('Workload', metadata, { command: ['/bin/true'], dpu: 'dpu-7' });
    else await this.#ask(subjects.rpc('acme', 'admin', 'workload', 'delete'), { name: 'pinned' });
  }

  async #bind(isBound: boolean): Promise<void> {
    const headers = isBound ? {} : { [HEADERS.operation]: 'delete' };
    const subject = subjects.state({ tenant: 'acme', api: 'network', kind: 'port', name: PORT });
    const message = { headers, body: Buffer.from(JSON.stringify(isBound ? PORT_OBJECT : {})) };
    unwrap(await this.#bus.publish(subject, message, { messageId: `port-${++this.#ids}` }));
    await this.#settle();
  }

  #want(kind: 'Dpu' | 'Workload', metadata: { tenant?: string; name: string }, spec: object) {
    const manifest = { apiVersion: 'admin.outboard.dev/v1alpha1', kind, metadata, spec };
    const { tenant = '_' } = metadata;
    return this.#ask(subjects.rpc(tenant, 'admin', kind.toLowerCase() as 'dpu', 'apply'), manifest);
  }

  #ask(subject: string, body: object): Promise<Result<Message, AppError>> {
    return this.#request(subject, Buffer.from(JSON.stringify(body)));
  }

  /** Asks until there is an answer. */
  async #request(subject: string, body: Uint8Array): Promise<Result<Message, AppError>> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const asked = this.#bus.request(subject, { headers: {}, body }, { deadlineMilliseconds: 1_000 });
      const answer = await this.#process.whileAlive(asked);
      await this.#settle();
      if (answer !== undefined && (answer.ok || answer.error.code !== 'UNAVAILABLE')) return answer;
    }
    throw new Error(`nobody answers on ${subject}`);
  }

  /** Workers say what they have to say, until there is nothing more. */
  async #turn(): Promise<void> {
    await this.#settle();
    let isOver = false;
    for (let round = 0; !isOver; round++) {
      if (round === MAX_ATTEMPTS) throw new Error('the world does not come to rest');
      isOver = true;
      for (const machine of this.#machines) if (await this.#work(machine)) isOver = false;
    }
  }

  /** Whether something may follow from it. */
  async #work(machine: Machine): Promise<boolean> {
    const { name, worker } = machine;
    if (worker.isCutOff) return false;
    const {
      settled: isSettled,
      rebootProblem,
      ends,
    } = machine === this.#machines[0] ? this.#levels : BEGINNING;
    const before = `${worker.version.sequence} ${[...machine.running]} ${this.lifecycle?.state}`;
    const beat = await this.#beat(machine, isSettled, rebootProblem);
    if (!beat.ok) {
      machine.disown();
      machine.run(ends);
      return false;
    }
    if (beat.value.inventoryWanted) {
      await this.#request(subjects.dpu(name, 'inventory', 'admin'), encodeInventory(machine.report));
      return true;
    }
    if (beat.value.rebootRequest !== '' && rebootProblem === '') {
      machine.reboot();
      return true;
    }
    worker.answers.length = 0;
    await worker.sync();
    await this.#settle();
    if (worker.answers.includes('NOT_FOUND')) machine.disown();
    machine.run(ends);
    await worker.report();
    await this.#settle();
    for (const uid of machine.running) await this.#tellOf(machine, uid);
    return before !== `${worker.version.sequence} ${[...machine.running]} ${this.lifecycle?.state}`;
  }

  async #beat(
    machine: Machine,
    isSettled: boolean,
    rebootProblem: string,
  ): Promise<Result<HeartbeatResponse, AppError>> {
    const { name, report } = machine;
    const request = create(HeartbeatRequestSchema, {
      incarnation: report.incarnation ?? '',
      inventoryDigest: createHash('sha256').update(encodeInventory(report)).digest(),
      settled: isSettled,
      rebootProblem,
    });
    const subject = subjects.dpu(name, 'heartbeat', 'admin');
    const reply = await this.#request(subject, encodeBinary(HeartbeatRequestSchema, request));
    return reply.ok ? decodeBinary(HeartbeatResponseSchema, reply.value.body) : reply;
  }

  async #tellOf({ name, worker, report }: Machine, uid: string): Promise<void> {
    const bytes = worker.entries.get(`workload/${uid}`);
    if (bytes === undefined) return;
    const { object } = unwrap(decodeBinary(AdminObjectSchema, bytes));
    const generation = object.case === 'infraWorkload' ? object.value.generation : 0;
    const { incarnation = '' } = report;
    const body = create(WorkloadReportSchema, {
      incarnation,
      uid,
      generation,
      state: 'RUNNING',
      ready: true,
    });
    await this.#request(subjects.dpu(name, 'workload', 'admin'), encodeBinary(WorkloadReportSchema, body));
  }

  /** Lets everything that goes on come to its end; where a process has died another one follows. */
  async #settle(): Promise<void> {
    for (let before = -1; before !== this.fate.steps; ) {
      before = this.fate.steps;
      await settled(TURNS);
      if (!this.#process.isDead) continue;
      await this.#bury();
      await this.#begin();
    }
  }

  async #begin(): Promise<void> {
    for (;;) {
      const { clock } = this;
      const path = join(this.#directory, 'admin.sqlite');
      this.#world = {
        store: await openSqliteStore({ path, durability: 'NORMAL', clock }),
        bus: this.#broker.connect(),
      };
      const process = new MortalProcess({ ...this.#world, clock }, this.fate);
      this.#process = process;
      const { store, bus } = process;
      const options = { leaseMilliseconds: LEASE_MILLISECONDS, random: systemRandom };
      const admin = new AdminService({ bus, store, clock: process.clock, ...options });
      await process.whileAlive(admin.start().then(() => serveAdmin(bus, admin)));
      if (!process.isDead) return;
      await this.#bury();
    }
  }

  /** What a dead process had open is closed by its system; what it had written is there. */
  async #bury(): Promise<void> {
    void this.#world.bus[Symbol.asyncDispose]();
    await this.#world.store[Symbol.asyncDispose]();
  }
}

const PORT_OBJECT = portOf(PORT, { serialNumber: 'SN-dpu-7', vfNumber: 0 });

const json = (body: object): Message => ({ headers: {}, body: Buffer.from(JSON.stringify(body)) });

/** Methods of a bus, to be taken over one by one. */
const passed = (bus: Bus): Bus => ({
  request: (...all) => bus.request(...all),
  gather: (...all) => bus.gather(...all),
  publish: (...all) => bus.publish(...all),
  consume: (...all) => bus.consume(...all),
  watch: (...all) => bus.watch(...all),
  serve: (...all) => bus.serve(...all),
  broadcast: (...all) => bus.broadcast(...all),
  subscribe: (...all) => bus.subscribe(...all),
  reconnect: () => bus.reconnect(),
  onState: (...all) => bus.onState(...all),
  [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
});
