import type { Clock } from '@outboard/core';
import { matcher } from '../subject-patterns.js';
import type { InProcessStream, StoredMessage } from './stream.js';

interface Pending {
  deliveries: number;
  /** When it may be delivered again; undefined while somebody holds it. */
  due: number | undefined;
}

/** What a consumer hands out. */
export interface HandedOut {
  readonly message: StoredMessage;
  readonly deliveries: number;
}

/**
 * The position of a durable consumer: what was handed out and not settled, and where it goes on. It outlives those who
 * consume it.
 */
export class DurableConsumer {
  readonly #stream: InProcessStream;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #wakers = new Set<() => void>();
  #matches: (subject: string) => boolean;
  #next = 1;
  #alarm: Disposable | undefined;

  /** As `Delivery.streamMadeAt`. */
  get streamMadeAt(): number {
    return this.#stream.madeAt;
  }

  constructor(
    stream: InProcessStream,
    public filterSubject: string,
    clock: Clock,
  ) {
    this.#stream = stream;
    this.#clock = clock;
    this.#matches = matcher(filterSubject);
    stream.onAppend(() => this.#wake());
  }

  refilter(filterSubject: string): void {
    this.filterSubject = filterSubject;
    this.#matches = matcher(filterSubject);
  }

  /** Calls back whenever there may be something to take. */
  onReady(waker: () => void): Disposable {
    this.#wakers.add(waker);
    this.#arm();
    return {
      [Symbol.dispose]: () => {
        this.#wakers.delete(waker);
        this.#arm();
      },
    };
  }

  /** The next message to deliver: what is due again comes before what is new. */
  take(): HandedOut | undefined {
    const now = this.#clock.monotonic();
    let again: number | undefined;
    for (const [sequence, { due }] of this.#pending) {
      if (due !== undefined && due <= now && (again === undefined || sequence < again)) again = sequence;
    }
    if (again !== undefined) {
      const pending = this.#pending.get(again);
      const message = this.#stream.get(again);
      if (!message || !pending) {
        // The stream's limits took it away.
        this.#pending.delete(again);
        return this.take();
      }
      pending.deliveries++;
      pending.due = undefined;
      return { message, deliveries: pending.deliveries };
    }
    const message = this.#stream.next(this.#next, this.#matches);
    if (!message) return undefined;
    this.#next = message.sequence + 1;
    this.#pending.set(message.sequence, { deliveries: 1, due: undefined });
    return { message, deliveries: 1 };
  }

  settle(sequence: number): void {
    this.#pending.delete(sequence);
    if (this.#stream.spec.retention === 'workqueue') this.#stream.remove(sequence);
  }

  /** Makes an unsettled message due again after so many milliseconds. */
  release(sequence: number, afterMilliseconds: number): void {
    const pending = this.#pending.get(sequence);
    if (!pending) return;
    pending.due = this.#clock.monotonic() + afterMilliseconds;
    if (afterMilliseconds > 0) this.#arm();
    else this.#wake();
  }

  /** Gives back a message that nobody began to handle: its delivery does not count. */
  untake(sequence: number): void {
    const pending = this.#pending.get(sequence);
    if (pending) pending.deliveries--;
    this.release(sequence, 0);
  }

  /** Wakes at the next time that something becomes due. What is due already is taken when somebody has room. */
  #arm(): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = undefined;
    if (this.#wakers.size === 0) return;
    const now = this.#clock.monotonic();
    let first: number | undefined;
    for (const { due } of this.#pending.values()) {
      if (due !== undefined && due > now && (first === undefined || due < first)) first = due;
    }
    if (first === undefined) return;
    this.#alarm = this.#clock.schedule(first - now, () => {
      this.#wake();
      // A timer may go off a fraction early.
      this.#arm();
    });
  }

  #wake(): void {
    for (const waker of this.#wakers) waker();
  }
}
