import type { Clock } from '@outboard/core';

/** That never comes. */
export const NEVER = new Promise<never>(() => {});

/** The life of a process: from its end on, nothing that it awaits comes, and nothing that it does has an effect. */
export class Life {
  isOver = false;
  readonly over: Promise<void>;
  #end: () => void = () => {};
  #steps: number | undefined;

  /** `onDeath` is told at what it was: `before a commit`, `after a commit`, ... */
  constructor(private readonly onDeath: (when: string) => void) {
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** It dies at the n-th thing from now that it waits for. */
  endAfter(steps: number): void {
    this.#steps = steps;
  }

  end(when = 'from outside'): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#end();
    this.onDeath(when);
  }

  /** Carries out what the process waits for, `what`: it may die before that, or between that and hearing of it. */
  async step<Value>(what: string, action: () => Promise<Value>): Promise<Value> {
    this.#count(`before ${what}`);
    if (this.isOver) return NEVER;
    const value = await action();
    this.#count(`after ${what}`);
    return this.isOver ? NEVER : value;
  }

  #count(when: string): void {
    if (this.#steps !== undefined && --this.#steps <= 0) {
      this.#steps = undefined;
      this.end(when);
    }
  }
}

/** A clock as a process sees it that may die: nobody hears its alarms then. */
export const mortalClock = (clock: Clock, life: Life): Clock => ({
  now: () => clock.now(),
  monotonic: () => clock.monotonic(),
  delay: (milliseconds, signal) => life.step('a pause', () => clock.delay(milliseconds, signal)),
  schedule: (milliseconds, callback) =>
    clock.schedule(milliseconds, () => {
      if (!life.isOver) callback();
    }),
});
