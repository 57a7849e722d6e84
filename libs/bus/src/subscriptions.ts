import { type AppError, AppError as Failure } from '@outboard/core';
import type { Subscription } from './port.js';

/**
 * A subscription whose end is told once. `stop` stops the intake and awaits what is in flight; it runs at most once,
 * whoever asks first.
 */
export class OpenSubscription implements Subscription {
  readonly closed: Promise<void>;
  readonly #stop: () => Promise<void>;
  #resolve: () => void = () => {};
  #reject: (reason: AppError) => void = () => {};
  #stopped: Promise<void> | undefined;

  constructor(stop: () => Promise<void>) {
    this.#stop = stop;
    this.closed = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A failure that nobody looks at must not end the process: whoever cares awaits `closed`.
    this.closed.catch(() => {});
  }

  /** Ends it because it cannot go on. */
  fail(reason: unknown): void {
    this.#reject(Failure.from(reason));
    void this[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop().finally(() => this.#resolve());
    return this.#stopped;
  }
}
