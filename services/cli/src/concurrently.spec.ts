import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { concurrently } from './concurrently.js';

/** Work that ends when the test says so. */
class Work {
  readonly #ends = new Map<number, () => void>();
  readonly told: number[] = [];
  stopped = false;
  #most = 0;

  get most(): number {
    return this.#most;
  }

  run(items: readonly number[], limit: number): Promise<void> {
    return concurrently(items, {
      limit,
      run: (item) =>
        new Promise<number>((resolve) => {
          this.#ends.set(item, () => resolve(item));
          this.#most = Math.max(this.#most, this.#ends.size);
        }),
      settled: async (item, outcome) => {
        expect(outcome).toBe(item);
        this.told.push(item);
      },
      stopped: () => this.stopped,
    });
  }

  get running(): readonly number[] {
    return [...this.#ends.keys()];
  }

  end(item: number): void {
    this.#ends.get(item)?.();
    this.#ends.delete(item);
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('concurrent work', () => {
  it('tells its outcomes in the order of the items, whatever ends first, and keeps to its limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 20 }),
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.nat()),
        async (count, limit, choices) => {
          const work = new Work();
          const items = Array.from({ length: count }, (_, index) => index);
          const done = work.run(items, limit);
          while (work.running.length > 0) {
            const { value } = choices.next();
            work.end(work.running[Number(value) % work.running.length] as number);
            await turn();
          }
          await done;
          expect(work.told).toEqual(items);
          expect(work.most).toBe(Math.min(limit, count));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('that is stopped starts nothing more and tells what was running', async () => {
    const work = new Work();
    const done = work.run([0, 1, 2, 3], 2);
    work.stopped = true;
    work.end(1);
    work.end(0);
    await done;
    expect(work.told).toEqual([0, 1]);
  });

  it('fails when telling fails', async () => {
    const failing = concurrently([1], {
      limit: 1,
      run: async () => 1,
      settled: async () => {
        throw new Error('nobody listens');
      },
      stopped: () => false,
    });
    await expect(failing).rejects.toThrow('nobody listens');
  });
});
