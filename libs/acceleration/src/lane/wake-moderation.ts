/** How long completions wait for others at most, milliseconds. */
export const LONGEST_HOLD_MILLISECONDS = 2;
/** Bytes that are not held back: the client has enough to do with them. */
export const ENOUGH_BYTES = 16 * 1024;

/**
 * When a client that would rather be woken for several completions at once is: for half of what it has in flight, so that the
 * other half keeps the thread busy until it sends more. To wake it costs the thread as much as a job of some kilobytes. Network
 * devices call that interrupt moderation.
 */
export class WakeModeration {
  /** The client has asked for it. */
  wanted = false;
  #completions = 0;
  /** Monotonic milliseconds since when there are some; Infinity: there are none. */
  #since = Number.POSITIVE_INFINITY;

  /** There are completions that it may wait for. */
  get hasCompletions(): boolean {
    return this.#completions > 0;
  }

  completed(jobs: number): void {
    this.#completions += jobs;
  }

  /** Whether they wait for more: `waiting` jobs of the client are here, `bytes` are to be sent. `now`: monotonic milliseconds. */
  holds(now: number, waiting: number, bytes: number): boolean {
    if (!this.wanted || this.#completions === 0 || this.#completions >= waiting || bytes >= ENOUGH_BYTES)
      return false;
    this.#since = Math.min(this.#since, now);
    return now - this.#since < LONGEST_HOLD_MILLISECONDS;
  }

  /** All of them are sent. */
  sent(): void {
    this.#completions = 0;
    this.#since = Number.POSITIVE_INFINITY;
  }
}
