/** Time as a port, so that pure code has none and tests own it. Durations are in milliseconds everywhere. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch: for records that people read, never for measuring. */
  now(): number;
  /** Monotonic milliseconds with a fraction: for leases, deadlines and measuring. */
  monotonic(): number;
  /** Resolves after `milliseconds`, or as soon as the signal aborts (it does not reject). */
  delay(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once after `milliseconds`; disposing cancels. */
  schedule(milliseconds: number, callback: () => void): Disposable;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  delay: (milliseconds, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, milliseconds);
      signal?.addEventListener('abort', finish, { once: true });
    }),
  schedule: (milliseconds, callback) => {
    const timer = setTimeout(callback, milliseconds);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
