import { expect, it } from '@jest/globals';
import { findCondition } from '@outboard/model';
import fc from 'fast-check';
import { BrokerLaboratory, COMPRESS, TOKEN_SHA256 } from './broker-laboratory.js';

const RUNS = Number(process.env.OUTBOARD_LEASE_RUNS ?? 12);
const DPUS = ['dpu-a', 'dpu-b', 'dpu-c'] as const;
type DpuName = (typeof DPUS)[number];
const SESSIONS = ['one', 'two'] as const;
/** Workers' clocks may be so slow: a lease lasts longer by them. */
const SLOW = 1.1;

/** What can happen, as data: so that a failure shows it. */
type Step =
  | readonly ['cutOff' | 'connect' | 'heal' | 'beat' | 'mute' | 'report' | 'remember' | 'restart', DpuName]
  | readonly ['admin', DpuName, { readonly isConnected?: boolean; readonly desired?: 'MAINTENANCE' }]
  | readonly ['apply' | 'remove', (typeof SESSIONS)[number]]
  | readonly ['broker']
  | readonly ['pass', number];

/** A broker, and workers that serve a session as long as they have it and their lease runs. */
class World {
  readonly #leaseEnds = new Map<string, number>();
  readonly #disks = new Map<string, { version: never; entries: ReadonlyMap<string, Uint8Array> }>();
  /** Sessions that somebody served, by uid. */
  readonly served = new Set<string>();
  /** How often nobody served a session that had somebody before. */
  moved = 0;

  private constructor(readonly laboratory: BrokerLaboratory) {}

  static async open(): Promise<World> {
    const laboratory = await BrokerLaboratory.open();
    await laboratory.dpus(...DPUS);
    const world = new World(laboratory);
    for (const name of SESSIONS) await world.run(['apply', name]);
    await laboratory.leasesEnd();
    for (const dpu of DPUS) {
      world.#remember(dpu);
      await world.run(['beat', dpu]);
    }
    return world;
  }

  async run([what, argument, options]: Step): Promise<void> {
    const { laboratory } = this;
    switch (what) {
      case 'apply': {
        const spec = { programs: COMPRESS, tokenSha256: TOKEN_SHA256 };
        await laboratory.send('apply', 'AccelerationSession', {
          ...laboratory.manifest('AccelerationSession', argument, spec),
        });
        break;
      }
      case 'remove':
        await laboratory.send('delete', 'AccelerationSession', { name: argument });
        break;
      case 'admin':
        await laboratory.neighbours.putDpu(argument, options);
        break;
      case 'broker':
        await laboratory.restart();
        break;
      case 'pass':
        for (let left = argument; left > 0; left -= 500) {
          await laboratory.clock.advance(Math.min(left, 500));
          await laboratory.quiet();
          this.look();
        }
        break;
      default:
        await this.#work(what, argument);
    }
    await laboratory.quiet();
    this.look();
  }

  async #work(what: string, dpu: DpuName): Promise<void> {
    const { laboratory } = this;
    const worker = this.#worker(dpu);
    switch (what) {
      case 'cutOff':
        worker.isCutOff = true;
        break;
      case 'connect':
        worker.isCutOff = false;
        break;
      case 'heal':
        worker.isCutOff = false;
        worker.isReporting = true;
        await worker.sync();
        break;
      case 'mute':
        worker.isReporting = false;
        break;
      case 'report':
        if (!worker.isCutOff) await worker.report();
        break;
      case 'beat': {
        if (worker.isCutOff) break;
        const asked = laboratory.clock.monotonic();
        const lease = await laboratory.heartbeat(dpu);
        if (lease > 0) this.#leaseEnds.set(dpu, asked + lease * SLOW);
        break;
      }
      case 'remember':
        this.#remember(dpu);
        break;
      case 'restart': {
        // It finds what its disk had some time ago, and no lease.
        const disk = this.#disks.get(dpu);
        if (!disk) break;
        worker.version = disk.version;
        worker.entries.clear();
        for (const [key, object] of disk.entries) worker.entries.set(key, object);
        this.#leaseEnds.delete(dpu);
        break;
      }
    }
  }

  /** By session: the DPUs that serve it. */
  serving(): ReadonlyMap<string, readonly string[]> {
    const serving = new Map<string, string[]>();
    const now = this.laboratory.clock.monotonic();
    for (const dpu of DPUS) {
      if (now >= (this.#leaseEnds.get(dpu) ?? 0)) continue;
      for (const key of this.#worker(dpu).keys('session'))
        serving.set(key, [...(serving.get(key) ?? []), dpu]);
    }
    return serving;
  }

  look(): void {
    for (const [session, dpus] of this.serving()) {
      expect([session, dpus]).toEqual([session, [dpus[0]]]);
      this.served.add(`${session} ${dpus[0]}`);
    }
  }

  #worker(dpu: DpuName) {
    const worker = this.laboratory.workers.get(dpu);
    if (!worker) throw new Error(`${dpu} has no worker`);
    return worker;
  }

  #remember(dpu: DpuName): void {
    const { version, entries } = this.#worker(dpu);
    this.#disks.set(dpu, { version: version as never, entries: new Map(entries) });
  }
}

const dpuName = fc.constantFrom(...DPUS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom('cutOff' as const, 'connect', 'heal', 'mute', 'report', 'remember', 'restart'),
      dpuName,
    ),
  },
  { weight: 6, arbitrary: dpuName.map((dpu): Step => ['beat', dpu]) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(dpuName, fc.constantFrom({}, {}, { isConnected: false }, { desired: 'MAINTENANCE' as const }))
      .map(([dpu, options]): Step => ['admin', dpu, options]),
  },
  { weight: 3, arbitrary: fc.integer({ min: 100, max: 6_000 }).map((time): Step => ['pass', time]) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom('apply' as const, 'remove'), fc.constantFrom(...SESSIONS)),
  },
  { weight: 1, arbitrary: fc.constant<Step>(['broker']) },
);

/** What a DPU's death is, and its return as it was some time before. */
const death = dpuName.map((dpu): readonly Step[] => [
  ['beat', dpu],
  ['cutOff', dpu],
  ['admin', dpu, { isConnected: false }],
]);
const comeback = fc.tuple(dpuName, fc.constantFrom(100, 9_500)).map(([dpu, after]): readonly Step[] => [
  ['pass', after],
  ['restart', dpu],
  ['connect', dpu],
  ['beat', dpu],
]);
const steps = fc
  .array(
    fc.oneof(
      { weight: 8, arbitrary: step.map((each) => [each]) },
      { weight: 1, arbitrary: death },
      { weight: 1, arbitrary: comeback },
    ),
    { minLength: 10, maxLength: 60 },
  )
  .map((all) => all.flat());

it('whatever happens, no two workers serve a session at one time; when all is well again, one serves each', async () => {
  let moves = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const world = await World.open();
      const { laboratory } = world;
      try {
        for (const each of all) await world.run(each);
        for (const name of SESSIONS) await world.run(['apply', name]);
        for (const dpu of DPUS) {
          await world.run(['admin', dpu, {}]);
          await world.run(['heal', dpu]);
        }
        await laboratory.leasesEnd();
        for (const dpu of DPUS) {
          await world.run(['heal', dpu]);
          await world.run(['beat', dpu]);
        }
        for (const name of SESSIONS) {
          const { metadata, status } = laboratory.found(name);
          expect(findCondition(status.conditions, 'Applied')?.reason).toBe('Serving');
          expect(world.serving().get(`session/${metadata.uid}`)).toEqual([status.dpu]);
        }
        moves += world.served.size - SESSIONS.length;
      } finally {
        await laboratory.close();
      }
    }),
    { numRuns: RUNS },
  );
  // A world in which nothing ever moves proves nothing.
  expect(moves).toBeGreaterThan(0);
}, 240_000);
