import type { Clock } from '@outboard/core';

interface Alarm {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that moves only when the test says so. Alarms go off in the order in which they are due. */
export class ManualClock implements Clock {
  #now: number;
  readonly #start: number;
  readonly #alarms = new Set<Alarm>();

  /** `start`: milliseconds since the epoch. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#now = start;
    this.#start = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now - this.#start;
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
    const alarm = { due: this.#now + Math.max(0, milliseconds), callback };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  /** Milliseconds until the next alarm; undefined when there is none. */
  get nextAlarmIn(): number | undefined {
    const next = this.#next();
    return next && next.due - this.#now;
  }

  /**
   * Moves on by `milliseconds`, sounding every alarm on the way at its own time. Between alarms the promises that
   * were settled get to run, so that what they schedule within the span goes off too.
   */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await settle();
    for (let alarm = this.#next(); alarm && alarm.due <= end; alarm = this.#next()) {
      this.#now = alarm.due;
      this.#alarms.delete(alarm);
      alarm.callback();
      await settle();
    }
    this.#now = end;
  }

  #next(): Alarm | undefined {
    let first: Alarm | undefined;
    for (const alarm of this.#alarms) if (!first || alarm.due < first.due) first = alarm;
    return first;
  }
}

/** Lets every promise that can go on go on: an immediate runs after all microtasks. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
