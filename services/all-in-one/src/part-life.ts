import type { Clock } from '@outboard/core';
import type { Driver, OvsSpec } from '@outboard/dataplane';

const NEVER = new Promise<never>(() => {});

/**
 * The life of a part of an installation, which ends as that of a process does: its alarms are forgotten, and nothing that it tells
 * its switch is done or answered any more. (What else it was waiting for it may still hear of, once.)
 */
export class PartLife {
  readonly #ends = new Set<Disposable>();
  #isOver = false;

  get isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
    for (const each of [...this.#ends]) each[Symbol.dispose]();
    this.#ends.clear();
  }

  /** A clock as the part has it. */
  clock(clock: Clock): Clock {
    const schedule = (milliseconds: number, callback: () => void): Disposable => {
      if (this.#isOver) return { [Symbol.dispose]: () => {} };
      const alarm = this.#until(
        clock.schedule(milliseconds, () => {
          this.#ends.delete(alarm);
          callback();
        }),
      );
      return alarm;
    };
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule,
      delay: (milliseconds, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve();
          const finish = (): void => {
            alarm[Symbol.dispose]();
            signal?.removeEventListener('abort', finish);
            resolve();
          };
          const alarm = schedule(milliseconds, finish);
          signal?.addEventListener('abort', finish, { once: true });
        }),
    };
  }

  /** A driver as the part has it. */
  driver(driver: Driver<OvsSpec>): Driver<OvsSpec> {
    return new Proxy(driver, {
      get: (target, property) => {
        if (this.#isOver && (property === 'apply' || property === 'observe')) return () => NEVER;
        if (property === 'watch')
          return (onChange: Parameters<typeof driver.watch>[0]) => this.#until(driver.watch(onChange));
        const value = Reflect.get(target, property, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  /** Something that ends with the part, if not before. */
  #until(inner: Disposable): Disposable {
    const outer: Disposable = {
      [Symbol.dispose]: () => {
        this.#ends.delete(outer);
        inner[Symbol.dispose]();
      },
    };
    this.#ends.add(outer);
    return outer;
  }
}
