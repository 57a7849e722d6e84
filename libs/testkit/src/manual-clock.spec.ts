import { describe, expect, it } from '@jest/globals';
import { ManualClock } from './manual-clock.js';

describe('the manual clock', () => {
  it('sounds alarms in the order in which they are due, each at its own time', async () => {
    const clock = new ManualClock(1000);
    const heard: [string, number][] = [];
    clock.schedule(20, () => heard.push(['late', clock.now()]));
    clock.schedule(10, () => heard.push(['early', clock.now()]));
    await clock.advance(15);
    expect(heard).toEqual([['early', 1010]]);
    expect(clock.nextAlarmIn).toBe(5);
    await clock.advance(5);
    expect(heard).toEqual([
      ['early', 1010],
      ['late', 1020],
    ]);
    expect(clock.monotonic()).toBe(20);
  });

  it('sounds what an alarm schedules within the same span', async () => {
    const clock = new ManualClock();
    let done = false;
    void clock
      .delay(10)
      .then(() => clock.delay(10))
      .then(() => {
        done = true;
      });
    await clock.advance(20);
    expect(done).toBe(true);
  });

  it('forgets an alarm that was disposed, and ends a delay that was aborted', async () => {
    const clock = new ManualClock();
    let heard = false;
    clock
      .schedule(10, () => {
        heard = true;
      })
      [Symbol.dispose]();
    const abort = new AbortController();
    const delayed = clock.delay(1000, abort.signal);
    abort.abort();
    await delayed;
    await clock.advance(20);
    expect(heard).toBe(false);
    expect(clock.nextAlarmIn).toBeUndefined();
  });

  it('comes to the end of a delay that is too short to be seen on a wall clock', async () => {
    const clock = new ManualClock();
    await clock.advance(1_234.567);
    const due = clock.monotonic() + 0.00003;
    let rounds = 0;
    const wait = (): void => {
      if (++rounds < 100 && clock.monotonic() < due) clock.schedule(due - clock.monotonic(), wait);
    };
    wait();
    await clock.advance(1);
    expect(rounds).toBe(2);
  });
});
