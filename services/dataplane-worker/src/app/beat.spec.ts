import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Bus } from '@outboard/bus';
import { ManualClock } from '@outboard/testkit';
import { Beat } from './beat.js';

const BUS = {} as Bus;

describe('what is told again and again', () => {
  let clock: ManualClock;
  /** Ends what is being told, oldest first. */
  let under: (() => void)[];
  let told: number;
  let beat: Beat;

  beforeEach(() => {
    clock = new ManualClock();
    under = [];
    told = 0;
    beat = new Beat(clock, async () => {
      told++;
      await new Promise<void>((resolve) => under.push(resolve));
      return 1_000;
    });
  });

  const end = async (): Promise<void> => {
    under.shift()?.();
    await clock.advance(0);
  };

  it('is told at once when there is a connection, and after each pause', async () => {
    beat.connected(BUS);
    expect(told).toBe(1);
    await end();
    await clock.advance(999);
    expect(told).toBe(1);
    await clock.advance(1);
    expect(told).toBe(2);
  });

  it('is told at once on the next connection, and the pause begins anew', async () => {
    beat.connected(BUS);
    await end();
    await clock.advance(600);
    beat.connected(BUS);
    expect(told).toBe(2);
    await end();
    await clock.advance(999);
    expect(told).toBe(2);
  });

  it('is not told twice at a time, however long it takes', async () => {
    beat.connected(BUS);
    await clock.advance(60_000);
    beat.connected(BUS);
    expect(told).toBe(1);
  });

  it('is told no more once it was disposed, also in the middle of it', async () => {
    beat.connected(BUS);
    beat[Symbol.dispose]();
    await end();
    beat.connected(BUS);
    expect([told, clock.nextAlarmIn]).toEqual([1, undefined]);
  });
});
