import { describe, expect, it, jest } from '@jest/globals';
import type { Bus } from '@outboard/bus';
import { AppError, err, systemRandom } from '@outboard/core';
import type { Capability, Change, DiscoveredFunction } from '@outboard/dataplane';
import { settled } from '@outboard/resource-service/testing';
import { RecordingLog } from '@outboard/testkit';
import fc from 'fast-check';
import { AdminLaboratory } from '../../services/admin/test/admin-laboratory.js';
import { Heartbeat } from '../../services/dataplane-worker/src/app/heartbeat.js';
import { Inventory } from '../../services/dataplane-worker/src/app/inventory.js';

jest.setTimeout(120_000);

/** A seed in OUTBOARD_SEED repeats a run. */
const RUNS = Number(process.env.OUTBOARD_RUNS ?? 60);
const DPU = 'dpu-7';
/** Longer than anything waits before it tries again, asks again, or looks again. */
const SETTLING_MILLISECONDS = 120_000;

type Fault = 'request lost' | 'reply lost' | 'delivered twice' | 'delivered late';

type Step =
  | { readonly step: 'functions'; readonly seen: readonly (readonly [number, 'absent' | 'down' | 'up'])[] }
  | { readonly step: 'capability'; readonly available: boolean }
  | { readonly step: 'fault'; readonly fault: Fault }
  | { readonly step: 'pass'; readonly milliseconds: number }
  | { readonly step: 'pool'; readonly vfNumber: number; readonly pool: string }
  | { readonly step: 'admin restarts' | 'worker restarts' | 'DPU reboots' | 'bus reconnects' };

const pass = fc.record({
  step: fc.constant('pass' as const),
  milliseconds: fc.constantFrom(60, 300, 1_000, 5_000),
});
const vfNumber = fc.integer({ min: 0, max: 5 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: pass },
    {
      weight: 6,
      arbitrary: fc.record({
        step: fc.constant('functions' as const),
        seen: fc.array(fc.tuple(vfNumber, fc.constantFrom('absent', 'down', 'up')), {
          minLength: 1,
          maxLength: 3,
        }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        step: fc.constant('fault' as const),
        fault: fc.constantFrom('request lost', 'reply lost', 'delivered twice', 'delivered late'),
      }),
    },
    fc.record({ step: fc.constant('capability' as const), available: fc.boolean() }),
    fc.record({ step: fc.constant('pool' as const), vfNumber, pool: fc.constantFrom('a', 'b') }),
    fc.record({
      step: fc.constantFrom('admin restarts', 'worker restarts', 'DPU reboots', 'bus reconnects'),
    }),
  ),
  { maxLength: 40 },
);

const functionOf = (number: number, up: boolean): DiscoveredFunction => ({
  flavour: 'PCI_VF',
  controller: 0,
  pfNumber: 0,
  vfNumber: number,
  external: true,
  pfMacAddress: '08:c0:eb:8a:d7:8a',
  hwAddress: '',
  netdev: `pf0vf${number}`,
  physPortName: `pf0vf${number}`,
  switchId: '',
  attachment: 'HOST',
  active: up,
  attached: true,
});

/** A worker's inventory and heartbeat on a bus that does what the test says to the next report, and admin behind it. */
class World {
  readonly #functions = new Map<number, DiscoveredFunction>();
  #capability: Capability = { name: 'vrf', available: false, reason: '' };
  #boot = 1;
  #faults: Fault[] = [];
  #inventory!: Inventory;
  #heartbeat!: Heartbeat;
  #onChange: (change: Change) => void = () => {};

  private constructor(readonly admin: AdminLaboratory) {}

  static async open(): Promise<World> {
    const world = new World(await AdminLaboratory.open());
    await world.#startWorker();
    return world;
  }

  async close(): Promise<void> {
    this.#stopWorker();
    await this.admin.close();
  }

  async do(step: Step): Promise<void> {
    switch (step.step) {
      case 'functions':
        for (const [number, state] of step.seen) {
          if (state === 'absent') this.#functions.delete(number);
          else this.#functions.set(number, functionOf(number, state === 'up'));
        }
        this.#onChange({ kind: 'functions' });
        return;
      case 'capability':
        this.#capability = { ...this.#capability, available: step.available };
        this.#onChange({ kind: 'functions' });
        return;
      case 'fault':
        this.#faults.push(step.fault);
        return;
      case 'pass':
        return this.pass(step.milliseconds);
      case 'pool':
        await this.admin.apply('Function', `${DPU}-pf0vf${step.vfNumber}`, { pool: step.pool });
        return;
      case 'admin restarts':
        return this.admin.restart();
      case 'DPU reboots':
        this.#boot++;
        this.#stopWorker();
        return this.#startWorker();
      case 'worker restarts':
        this.#stopWorker();
        return this.#startWorker();
      case 'bus reconnects':
        return this.#connect();
    }
  }

  async pass(milliseconds: number): Promise<void> {
    await this.admin.clock.advance(milliseconds);
    await settled();
  }

  forgetFaults(): void {
    this.#faults = [];
  }

  /** What the worker sees, as admin should have it. */
  get seen(): Record<string, string> {
    const all = [...this.#functions.values()];
    return Object.fromEntries(
      all.map(({ netdev, active }) => [`${DPU}-${netdev}`, active ? 'ACTIVE' : 'INACTIVE']).sort(),
    );
  }

  /** The functions that admin has and takes for present. */
  get stored(): Record<string, string> {
    const found = this.admin.functionNames().flatMap((name) => {
      const { metadata, status } = this.admin.function(name) ?? {};
      if (status?.state === undefined) return [];
      const healthy = status.conditions.find(({ type }) => type === 'Healthy');
      expect([name, healthy?.reason, healthy?.observedGeneration]).toEqual([
        name,
        'Discovered',
        metadata?.generation,
      ]);
      return [[name, status.state] as const];
    });
    return Object.fromEntries(found.sort());
  }

  async #startWorker(): Promise<void> {
    const { clock } = this.admin;
    const identity = {
      dpu: DPU,
      serialNumber: 'MT2113X00042',
      host: '',
      pfMacAddress: '',
      incarnation: `boot-${this.#boot}`,
      workerVersion: '1.0.0',
      kernelRelease: '6.18.0',
      architecture: 'x86_64',
    };
    const log = new RecordingLog();
    const driver = {
      name: 'fake',
      capabilities: () => [this.#capability],
      underlay: () => ({ device: 'up0', address: '192.0.2.1', mtu: 1600 }),
      functions: async () => [...this.#functions.values()],
      watch: (onChange: (change: Change) => void) => {
        this.#onChange = onChange;
        return { [Symbol.dispose]: () => {} };
      },
    };
    this.#inventory = new Inventory({ identity, driver, clock, random: systemRandom, log });
    this.#heartbeat = new Heartbeat({
      ...identity,
      inventory: this.#inventory,
      settlement: { isSettled: true },
      reboot: { ask: () => {}, problem: '' },
      admitted: () => {},
      clock,
      random: systemRandom,
      log,
    });
    await this.#inventory.start();
    this.#connect();
  }

  #stopWorker(): void {
    this.#inventory[Symbol.dispose]();
    this.#heartbeat[Symbol.dispose]();
  }

  #connect(): void {
    const { bus } = this.admin;
    const request: Bus['request'] = async (...message) => {
      const fault = message[0].includes('.inventory.') ? this.#faults.shift() : undefined;
      const lost = err(new AppError('UNAVAILABLE', 'lost', { reason: 'NO_REPLY' }));
      switch (fault) {
        case undefined:
          return bus.request(...message);
        case 'request lost':
          return lost;
        case 'reply lost':
          await bus.request(...message);
          return lost;
        case 'delivered twice':
          return (await Promise.all([bus.request(...message), bus.request(...message)]))[0];
        case 'delivered late':
          this.admin.clock.schedule(700, () => void bus.request(...message));
          return lost;
      }
    };
    const faulty = { request } as Bus;
    this.#inventory.connected(faulty);
    this.#heartbeat.connected(faulty);
  }
}

async function settles(sequence: readonly Step[]): Promise<void> {
  const world = await World.open();
  try {
    for (const step of sequence) await world.do(step);
    world.forgetFaults();
    await world.pass(SETTLING_MILLISECONDS);
    expect(world.stored).toEqual(world.seen);
    expect(world.admin.dpu(DPU)?.status.functions).toBe(Object.keys(world.seen).length);
  } finally {
    await world.close();
  }
}

describe('the functions that admin has', () => {
  it('are in the end those that the worker sees, whatever changes, is lost, doubled or late, and whoever starts anew', async () => {
    const seed = process.env.OUTBOARD_SEED;
    const property = fc.asyncProperty(steps, settles);
    await fc.assert(property, { numRuns: RUNS, ...(seed !== undefined && { seed: Number(seed) }) });
  });

  it('are so when a report that was given up arrives between the one that followed it and a change of that', async () => {
    await settles([
      { step: 'fault', fault: 'delivered late' },
      { step: 'functions', seen: [[0, 'up']] },
      { step: 'pass', milliseconds: 60 },
      {
        step: 'functions',
        seen: [
          [0, 'absent'],
          [1, 'up'],
        ],
      },
      { step: 'pass', milliseconds: 300 },
      { step: 'pass', milliseconds: 300 },
      { step: 'pass', milliseconds: 100 },
      { step: 'functions', seen: [[2, 'up']] },
      { step: 'pass', milliseconds: 300 },
    ]);
  });
});
