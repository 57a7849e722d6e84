import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@outboard/testkit';
import fc from 'fast-check';
import { Lanes, type RunEnd } from './lanes.js';
import { Gate } from './testing/collector.js';

interface Item {
  readonly sequence: number;
  readonly key: string;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('lanes', () => {
  it('whatever fails and however it interleaves: one at a time and in order per key, bounded, nothing forgotten', async () => {
    const work = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), failures: fc.nat(2) }), {
      minLength: 1,
      maxLength: 20,
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        work,
        fc.integer({ min: 1, max: 3 }),
        async (scheduler, plan, maxRunning) => {
          const settled: Item[] = [];
          const runningKeys = new Set<string>();
          const failuresLeft = new Map(plan.map(({ failures }, sequence) => [sequence, failures]));
          const redelivered: boolean[] = [];
          const lanes: Lanes<Item> = new Lanes<Item>({
            maxRunning,
            clock: new ManualClock(),
            ended: () => {},
            run: async (item): Promise<RunEnd> => {
              expect(runningKeys.has(item.key)).toBe(false);
              runningKeys.add(item.key);
              expect(runningKeys.size).toBeLessThanOrEqual(maxRunning);
              await scheduler.schedule(Promise.resolve());
              runningKeys.delete(item.key);
              const left = failuresLeft.get(item.sequence) ?? 0;
              failuresLeft.set(item.sequence, left - 1);
              if (left === 0) {
                settled.push(item);
                return 'settled';
              }
              const giveBack = (): void =>
                void scheduler
                  .schedule(Promise.resolve())
                  .then(() => redelivered.push(lanes.add(item.key, item)));
              return { awaitMilliseconds: 1_000, giveBack };
            },
          });
          for (const [sequence, { key }] of plan.entries()) {
            lanes.add(key, { sequence, key });
            // Sometimes much has happened before the next one arrives.
            if (sequence % 3 === 0 && scheduler.count() > 0) await scheduler.waitOne().then(settle);
          }
          while (scheduler.count() > 0) await scheduler.waitOne().then(settle);
          expect(settled).toHaveLength(plan.length);
          expect(redelivered).not.toContain(false);
          for (const key of ['a', 'b', 'c']) {
            const sequences = settled.filter((item) => item.key === key).map(({ sequence }) => sequence);
            expect(sequences).toEqual([...sequences].sort((one, other) => one - other));
          }
          expect(lanes.held.size).toBe(0);
          expect(lanes.active).toBe(0);
          expect(lanes.running).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('what waits behind a retry is held, and is not counted as active', async () => {
    const lanes = new Lanes<Item>({
      maxRunning: 2,
      clock: new ManualClock(),
      ended: () => {},
      run: async () => ({ awaitMilliseconds: 1_000, giveBack: () => {} }),
    });
    for (const sequence of [1, 2, 3]) lanes.add('a', { sequence, key: 'a' });
    expect(lanes.active).toBe(3);
    await settle();
    expect([...lanes.held.keys()]).toEqual([2, 3]);
    expect(lanes.active).toBe(0);
  });

  it('a lane whose awaited item does not return goes on when its patience ends', async () => {
    const clock = new ManualClock();
    const ran: number[] = [];
    const lanes = new Lanes<Item>({
      maxRunning: 2,
      clock,
      ended: () => {},
      run: async ({ sequence }) => {
        ran.push(sequence);
        return sequence === 1 ? { awaitMilliseconds: 1_000, giveBack: () => {} } : 'settled';
      },
    });
    for (const sequence of [1, 2]) lanes.add('a', { sequence, key: 'a' });
    await clock.advance(999);
    expect(ran).toEqual([1]);
    await clock.advance(1);
    expect(ran).toEqual([1, 2]);
  });

  it('a sequence that is held already is not taken twice', async () => {
    const gate = new Gate();
    let runs = 0;
    const lanes = new Lanes<Item>({
      maxRunning: 2,
      clock: new ManualClock(),
      ended: () => {},
      run: async () => {
        runs++;
        await gate.opened;
        return 'settled';
      },
    });
    expect(lanes.add('a', { sequence: 1, key: 'a' })).toBe(true);
    expect(lanes.add('a', { sequence: 1, key: 'a' })).toBe(false);
    gate.open();
    await settle();
    expect(runs).toBe(1);
    expect(lanes.add('a', { sequence: 1, key: 'a' })).toBe(true);
  });

  it('closing gives back what was not begun, by sequence, and starts nothing more', async () => {
    const gate = new Gate();
    const ran: number[] = [];
    const lanes = new Lanes<Item>({
      maxRunning: 1,
      clock: new ManualClock(),
      ended: () => {},
      run: async ({ sequence }) => {
        ran.push(sequence);
        await gate.opened;
        return 'settled';
      },
    });
    for (const [sequence, key] of [
      [1, 'a'],
      [4, 'a'],
      [3, 'b'],
      [2, 'a'],
    ] as const) {
      lanes.add(key, { sequence, key });
    }
    expect(lanes.close().map(({ sequence }) => sequence)).toEqual([2, 3, 4]);
    gate.open();
    await settle();
    expect(ran).toEqual([1]);
    expect(lanes.held.size).toBe(0);
  });
});
