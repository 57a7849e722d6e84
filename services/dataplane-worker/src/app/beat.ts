import type { Bus } from '@outboard/bus';
import type { Clock } from '@outboard/core';

/**
 * Something that is told over the bus again and again: at once on every connection, then when `tell` says, milliseconds
 * after it has resolved. Never twice at a time.
 */
export class Beat implements Disposable {
  #bus: Bus | undefined;
  #next: Disposable | undefined;
  #telling = false;
  #closed = false;

  constructor(
    private readonly clock: Clock,
    /** Resolves with the pause until the next time, milliseconds. */
    private readonly tell: (bus: Bus) => Promise<number>,
  ) {}

  get isClosed(): boolean {
    return this.#closed;
  }

  connected(bus: Bus): void {
    this.#bus = bus;
    void this.#beat();
  }

  /** Tells at once, unless it is being told. */
  now(): void {
    void this.#beat();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#next?.[Symbol.dispose]();
  }

  async #beat(): Promise<void> {
    if (this.#telling || this.#bus === undefined || this.#closed) return;
    this.#telling = true;
    this.#next?.[Symbol.dispose]();
    const pause = await this.tell(this.#bus);
    this.#telling = false;
    if (!this.#closed) this.#next = this.clock.schedule(pause, () => void this.#beat());
  }
}
