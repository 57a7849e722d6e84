/** A renewed lease ends `milliseconds` later unless renewed again. All times are of one monotonic clock. */
export class Leases {
  readonly #ends = new Map<string, number>();

  constructor(readonly milliseconds: number) {}

  renew(holder: string, now: number): void {
    this.#ends.set(holder, now + this.milliseconds);
  }

  isRunning(holder: string): boolean {
    return this.#ends.has(holder);
  }

  /** Removes and returns the holders whose lease has ended. */
  expire(now: number): readonly string[] {
    const ended = [...this.#ends].filter(([, end]) => end <= now).map(([holder]) => holder);
    for (const holder of ended) this.#ends.delete(holder);
    return ended;
  }

  /** When the next lease ends, or undefined when none runs. */
  next(): number | undefined {
    let next: number | undefined;
    for (const end of this.#ends.values()) if (next === undefined || end < next) next = end;
    return next;
  }
}
