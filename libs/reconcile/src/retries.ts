import type { Clock, Random } from '@outboard/core';

export interface BackoffOptions {
  /** Milliseconds before the second attempt. */
  readonly initial: number;
  /** Milliseconds that no wait exceeds. */
  readonly maximum: number;
}

/** Exponential, doubling, with full jitter over its upper half: the wait before attempt `attempt + 1`. */
export function backoff({ initial, maximum }: BackoffOptions, attempt: number, random: Random): number {
  const ceiling = Math.min(maximum, initial * 2 ** Math.min(attempt - 1, 30));
  return ceiling / 2 + (random.fraction() * ceiling) / 2;
}

/**
 * Counts the attempts of each key and calls back when its next one is due. One timer for all: it is set for the
 * earliest, and whatever is due then goes together.
 */
export class Retries implements Disposable {
  readonly #attempts = new Map<string, number>();
  readonly #due = new Map<string, number>();
  #timer: { readonly at: number; readonly handle: Disposable } | undefined;

  constructor(
    private readonly options: BackoffOptions,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly onDue: (keys: readonly string[]) => void,
  ) {}

  /** Notes a failed attempt, schedules the next, and returns how many there were in a row. */
  failed(key: string): number {
    const attempts = (this.#attempts.get(key) ?? 0) + 1;
    this.#attempts.set(key, attempts);
    const at = this.clock.monotonic() + backoff(this.options, attempts, this.random);
    this.#due.set(key, at);
    if (this.#timer === undefined || at < this.#timer.at) this.#schedule(at);
    return attempts;
  }

  /** It succeeded, or nobody wants it any more: the count starts anew. */
  forget(key: string): void {
    if (this.#attempts.delete(key)) this.#due.delete(key);
  }

  attempts(key: string): number {
    return this.#attempts.get(key) ?? 0;
  }

  /** How many wait for their next attempt. */
  get size(): number {
    return this.#due.size;
  }

  [Symbol.dispose](): void {
    this.#timer?.handle[Symbol.dispose]();
    this.#timer = undefined;
    this.#due.clear();
  }

  #schedule(at: number): void {
    this.#timer?.handle[Symbol.dispose]();
    const wait = Math.max(0, at - this.clock.monotonic());
    this.#timer = { at, handle: this.clock.schedule(wait, () => this.#fire()) };
  }

  #fire(): void {
    this.#timer = undefined;
    const now = this.clock.monotonic();
    const keys: string[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [key, at] of this.#due) {
      if (at <= now) {
        keys.push(key);
        this.#due.delete(key);
      } else if (at < next) next = at;
    }
    if (next !== Number.POSITIVE_INFINITY) this.#schedule(next);
    if (keys.length > 0) this.onDue(keys);
  }
}
