import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LowestFree } from './lowest-free.js';

describe('the lowest free number', () => {
  it('is that of a set, whatever was taken and released before', () => {
    const step = fc.record({
      operation: fc.constantFrom('take', 'release', 'lowest'),
      number: fc.nat({ max: 15 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const free = new LowestFree(16);
        const taken = new Set<number>();
        for (const { operation, number } of steps) {
          if (operation === 'take') {
            free.take(number);
            taken.add(number);
          } else if (operation === 'release') {
            free.release(number);
            taken.delete(number);
          }
          const expected = Array.from({ length: 16 }, (_, candidate) => candidate).find(
            (it) => !taken.has(it),
          );
          expect(free.lowest()).toBe(expected);
          expect(free.isTaken(number)).toBe(taken.has(number));
        }
      }),
      { seed: 16, numRuns: 300 },
    );
  });

  it('is found among more numbers than could be counted', () => {
    const free = new LowestFree(2 ** 52);
    free.take(2 ** 51);
    for (let number = 0; number < 1000; number++) free.take(number);
    expect(free.lowest()).toBe(1000);
    expect(free.isTaken(2 ** 51)).toBe(true);
  });

  it('is none when there are no numbers', () => {
    expect(new LowestFree(0).lowest()).toBeUndefined();
  });
});
