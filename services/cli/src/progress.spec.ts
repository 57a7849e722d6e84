import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@outboard/testkit';
import { Progress } from './progress.js';

function start(isInteractive: boolean) {
  const clock = new ManualClock();
  const told: string[] = [];
  const terminal = {
    isInteractive,
    tell: (text: string) => void told.push(text),
    write: async () => {},
    readInput: async () => Buffer.alloc(0),
  };
  return { clock, told, progress: new Progress({ terminal, clock, verb: 'applied', total: 10 }) };
}

describe('progress', () => {
  it('is a line every second for a person, until it ends', async () => {
    const { clock, told, progress } = start(true);
    progress.count(true);
    await clock.advance(1_000);
    progress.count(true);
    progress.count(false);
    await clock.advance(1_000);
    progress[Symbol.dispose]();
    await clock.advance(10_000);
    expect(told).toEqual(['outboard: applied 1 of 10\n', 'outboard: applied 2 of 10, 1 refused\n']);
    expect(progress.counted).toBe(3);
  });

  it('is nothing where nobody looks', async () => {
    const { clock, told } = start(false);
    await clock.advance(10_000);
    expect(told).toEqual([]);
  });
});
