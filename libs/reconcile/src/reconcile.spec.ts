import { describe, expect, it } from '@jest/globals';
import type { Random } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import fc from 'fast-check';
import {
  backoff,
  DeltaTracker,
  difference,
  LaneQueue,
  PruneGate,
  Retries,
  satisfies,
  Tracked,
  WakeIndex,
  waves,
} from './index.js';

describe('DeltaTracker', () => {
  it('at every moment knows exactly the difference between wanted and observed', () => {
    const key = fc.constantFrom('a', 'b', 'c');
    const value = fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined });
    const step = fc.record({ side: fc.constantFrom('want', 'observe'), key, value });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const tracker = new DeltaTracker<number, number, Tracked<number, number>>(
          (wanted, observed) => wanted === observed,
          (key) => new Tracked(key),
        );
        const wanted = new Map<string, number | undefined>();
        const observed = new Map<string, number | undefined>();
        for (const { side, key, value } of steps) {
          if (side === 'want') tracker.want(tracker.at(key), value);
          else tracker.observe(tracker.at(key), value);
          (side === 'want' ? wanted : observed).set(key, value);
        }
        for (const key of ['a', 'b', 'c']) {
          const [want, have] = [wanted.get(key), observed.get(key)];
          const pending =
            want === have
              ? undefined
              : want === undefined
                ? 'delete'
                : have === undefined
                  ? 'create'
                  : 'update';
          expect(tracker.get(key)?.pending).toBe(pending);
          expect(tracker.get(key) === undefined).toBe(want === undefined && have === undefined);
        }
      }),
    );
  });
});

describe('LaneQueue', () => {
  const item = (name: string) => ({ name, lane: -1 });
  const names = (items: readonly { name: string }[]): string[] => items.map(({ name }) => name);

  it('holds an item once, in the most urgent lane that it was put into', () => {
    const queue = new LaneQueue<ReturnType<typeof item>>(3);
    const [slow, middle] = [item('slow'), item('middle')];
    queue.add(slow, 2);
    queue.add(middle, 1);
    queue.add(slow, 0);
    queue.add(middle, 2);
    expect(queue.size).toBe(2);
    expect(names(queue.take(10))).toEqual(['slow', 'middle']);
    expect(queue.size).toBe(0);
    expect(queue.take(10)).toEqual([]);
  });

  it('takes no more than asked, and none of the lanes behind the last allowed', () => {
    const queue = new LaneQueue<ReturnType<typeof item>>(2);
    for (const name of ['a', 'b', 'c']) queue.add(item(name), name === 'c' ? 1 : 0);
    expect(names(queue.take(1))).toEqual(['a']);
    expect(names(queue.take(5, 0))).toEqual(['b']);
    expect(names(queue.take(5))).toEqual(['c']);
  });

  it('forgets what is deleted, and gives what is put back once', () => {
    const queue = new LaneQueue<ReturnType<typeof item>>(1);
    const own = item('a');
    queue.add(own, 0);
    expect(queue.delete(own)).toBe(true);
    expect(queue.delete(own)).toBe(false);
    queue.add(own, 0);
    expect(names(queue.take(5))).toEqual(['a']);
  });
});

describe('Retries', () => {
  const half: Random = { fraction: () => 0.5, bytes: (count) => new Uint8Array(count) };

  it('doubles the wait up to the maximum and keeps at least half of it', () => {
    const options = { initial: 10, maximum: 100 };
    expect([1, 2, 3, 4, 5, 60].map((attempt) => backoff(options, attempt, half))).toEqual([
      7.5, 15, 30, 60, 75, 75,
    ]);
  });

  it('calls back with what is due, and not for what was forgotten', async () => {
    const clock = new ManualClock();
    const due: string[][] = [];
    const retries = new Retries({ initial: 10, maximum: 1000 }, clock, half, (keys) => due.push([...keys]));
    retries.failed('a');
    retries.failed('b');
    expect(retries.failed('b')).toBe(2);
    retries.failed('c');
    retries.forget('c');
    await clock.advance(8);
    expect(due).toEqual([['a']]);
    await clock.advance(8);
    expect(due).toEqual([['a'], ['b']]);
    expect(retries.size).toBe(0);
    expect(retries.attempts('b')).toBe(2);
  });
});

describe('WakeIndex', () => {
  it('wakes each waiter once, by the dependency that it named last', () => {
    const index = new WakeIndex();
    index.wait('x', 'old');
    index.wait('x', 'new');
    index.wait('y', 'new');
    expect(index.wake('old')).toEqual([]);
    expect(index.wake('new')).toEqual(['x', 'y']);
    expect(index.wake('new')).toEqual([]);
    expect(index.size).toBe(0);
  });
});

describe('waves', () => {
  it('puts referents first, and last in reverse', () => {
    const items = ['b2', 'a1', 'c3', 'a4'];
    const rank = (item: string): number => item.charCodeAt(0) - 0x61;
    expect(waves(items, rank)).toEqual([['a1', 'a4'], ['b2'], ['c3']]);
    expect(waves(items, rank, 'reverse')).toEqual([['c3'], ['b2'], ['a1', 'a4']]);
  });
});

describe('PruneGate', () => {
  it('opens for an owner when its document is known, and for the unmarked when all are', () => {
    const gate = new PruneGate(['network', 'admin']);
    expect(gate.allows('network')).toBe(false);
    gate.complete('network');
    expect([gate.allows('network'), gate.allows('admin'), gate.allows(undefined)]).toEqual([
      true,
      false,
      false,
    ]);
    gate.complete('admin');
    expect(gate.allows(undefined)).toBe(true);
  });

  it('never opens for an owner that is not one of ours', () => {
    const gate = new PruneGate(['network']);
    gate.complete('stranger');
    expect(gate.allows('stranger')).toBe(false);
  });
});

describe('satisfies', () => {
  it('compares only what is wanted', () => {
    expect(satisfies({ mtu: 1450 }, { mtu: 1450, index: 7 })).toBe(true);
    expect(satisfies({ mtu: 1450, up: undefined }, { mtu: 1450 })).toBe(true);
    expect(satisfies({ hops: [{ gateway: 'a' }] }, { hops: [{ gateway: 'a', device: 'x' }] })).toBe(true);
    expect(satisfies({ hops: ['a'] }, { hops: ['a', 'b'] })).toBe(false);
  });

  it('agrees with the difference in words, which names the field', () => {
    const data = fc.jsonValue({ maxDepth: 2 });
    fc.assert(
      fc.property(data, data, (wanted, observed) => {
        expect(difference(wanted, observed) === undefined).toBe(satisfies(wanted, observed));
      }),
    );
    expect(difference({ port: { learning: false } }, { port: { learning: true } })).toBe(
      'port.learning is true instead of false',
    );
  });
});
