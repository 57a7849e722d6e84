import type { Clock } from '@outboard/core';

interface Alarm {
  /** On the monotonic clock: the fractions that are left of a time since the epoch are too coarse to compare with. */
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that moves only when the test says so. Alarms go off in the order in which they are due. */
export class ManualClock implements Clock {
  #elapsed = 0;
  #start: number;
  readonly #alarms = new Set<Alarm>();

  /** `start`: milliseconds since the epoch. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const finish = (): void => {
        alarm[Symbol.dispose]();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const alarm = this.schedule(milliseconds, finish);
      signal?.addEventListener('abort', finish, { once: true });
    });
  }

  schedule(milliseconds: number, callback: () => void): Disposable {
    const alarm = { due: this.#elapsed + Math.max(0, milliseconds), callback };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  /** The wall clock is set, forwards or back; nothing else notices. */
  jump(milliseconds: number): void {
    this.#start += milliseconds;
  }

  /** Milliseconds until the next alarm; undefined when there is none. */
  get nextAlarmIn(): number | undefined {
    const next = this.#next();
    return next && next.due - this.#elapsed;
  }

  /**
   * Moves on by `milliseconds`, sounding every alarm on the way at its own time. Between alarms the promises that
   * were settled get to run, so that what they schedule within the span goes off too.
   */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#elapsed + milliseconds;
    await settle();
    for (let alarm = this.#next(); alarm && alarm.due <= end; alarm = this.#next()) {
      this.#elapsed = alarm.due;
      this.#alarms.delete(alarm);
      alarm.callback();
      await settle();
    }
    this.#elapsed = end;
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) if (!first || alarm.due < first.due) first = alarm;
    return first;
  }
}

/**
 * Lets every promise that can go on go on: an immediate runs after all microtasks. What was asked of files is answered first,
 * too: no time passes on disks, however slow they are.
 */
async function settle(): Promise<void> {
  do await new Promise((resolve) => setImmediate(resolve));
  while (process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq')));
}
