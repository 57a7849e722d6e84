import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FairQueue, type Flow } from './fair-queue.js';

type Cost = number;

/** Serves `flows`, which always have jobs of their cost, until `total` was spent; the share of each. */
function sharesOf(flows: readonly { weight: number; cost: Cost }[], total: number): number[] {
  const queue = new FairQueue<Cost>();
  const spent = new Map<Flow<Cost>, number>();
  const made = flows.map(({ weight, cost }) => {
    const flow = queue.createFlow(weight);
    spent.set(flow, 0);
    queue.push(flow, cost);
    return flow;
  });
  for (let all = 0; all < total; ) {
    const next = queue.pop();
    if (next === undefined) throw new Error('there is always a job');
    const { flow, item } = next;
    queue.push(flow, item);
    queue.charge(flow, item);
    spent.set(flow, (spent.get(flow) ?? 0) + item);
    all += item;
  }
  const sum = [...spent.values()].reduce((left, right) => left + right, 0);
  return made.map((flow) => (spent.get(flow) ?? 0) / sum);
}

it('flows that always have jobs share by weight, whatever one job costs', () => {
  const [heavy, light] = sharesOf(
    [
      { weight: 3, cost: 1 },
      { weight: 1, cost: 500 },
    ],
    1_000_000,
  );
  expect(heavy).toBeCloseTo(0.75, 2);
  expect(light).toBeCloseTo(0.25, 2);
});

it('no flow is further behind its share than one job of each', () => {
  const flow = fc.record({ weight: fc.integer({ min: 1, max: 50 }), cost: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(fc.array(flow, { minLength: 1, maxLength: 12 }), (flows) => {
      const total = 100_000;
      const weights = flows.reduce((sum, { weight }) => sum + weight, 0);
      const dearest = flows.reduce((sum, { cost }) => sum + cost, 0);
      sharesOf(flows, total).forEach((share, index) => {
        const wanted = (flows[index]?.weight ?? 0) / weights;
        expect(Math.abs(share - wanted) * total).toBeLessThanOrEqual(2 * dearest + 100);
      });
    }),
    { numRuns: 30 },
  );
});

it('whoever had nothing to do neither saves that up nor is behind', () => {
  const queue = new FairQueue<string>();
  const busy = queue.createFlow(1);
  const late = queue.createFlow(1);
  for (let round = 0; round < 100; round++) {
    queue.push(busy, 'busy');
    queue.pop();
    queue.charge(busy, 10);
  }
  for (let round = 0; round < 10; round++) {
    queue.push(busy, 'busy');
    queue.push(late, 'late');
  }
  const order: string[] = [];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    order.push(next.item);
    queue.charge(next.flow, 10);
  }
  const firstHalf = order.slice(0, 10).filter((each) => each === 'late').length;
  expect([order.length, firstHalf >= 4 && firstHalf <= 6]).toEqual([20, true]);
});

it('jobs of one flow stay in order', () => {
  const queue = new FairQueue<number>();
  const flow = queue.createFlow(1);
  for (let index = 0; index < 100; index++) queue.push(flow, index);
  const order: number[] = [];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    order.push(next.item);
    queue.charge(flow, 1);
  }
  expect(order).toEqual(Array.from({ length: 100 }, (_, index) => index));
});
