import { AppError, type Clock, type Random, type Result, systemClock, systemRandom } from '@outboard/core';
import type { OutboxMessage, PendingMessage, Store } from './port.js';

export interface OutboxRelayOptions {
  readonly store: Store;
  /** Resolves when the broker has stored the message (or had its id already); has to end by a timeout of its own. */
  publish(message: PendingMessage): Promise<Result<unknown, AppError>>;
  /**
   * Whether only the last message of its subject counts, so that none may pass another of its subject: the next one is sent
   * when the one before is acknowledged. Default: none.
   */
  isLastValue?(subject: string): boolean;
  /** Told of every failure: `attempt` failures in a row, the next try in `retryMilliseconds`. For logs. */
  onFailure?(failure: RelayFailure): void;
  /** Told when a publish succeeds again, with the last failure. */
  onRecovery?(failure: RelayFailure): void;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Publishes in flight at most; default 1024. */
  readonly windowMessages?: number;
  /** How long disposing waits for publishes in flight; default 5000. */
  readonly drainMilliseconds?: number;
}

export interface RelayFailure {
  readonly error: AppError;
  /** Of the message that was not taken; undefined: the store could not be read. */
  readonly subject?: string;
  /** Failures in a row. */
  readonly attempt: number;
  readonly retryMilliseconds: number;
}

/** Publishes in flight, and their bodies: what a broker that stops answering can hold in memory. */
const DEFAULT_WINDOW_MESSAGES = 1024;
const WINDOW_BYTES = 8 * 1024 * 1024;
/** A window that was full is filled again when that part of it is free: single messages cost a system call each. */
const REFILL = 1 / 4;
/** Messages that wait in memory for a place in the window; what is committed beyond them is read when its turn comes. */
const HELD_MESSAGES = 4096;
/**
 * Acknowledged messages are marked together, so that marking costs a disk flush now and then instead of one per commit.
 * What is lost by a crash in between is published again, and dropped by its id.
 */
const MARK_MESSAGES = 1024;
const MARK_MILLISECONDS = 500;
/** When marking fails for so many, the relay waits: they would all be published again after a restart. */
const UNMARKED_MESSAGES = 8 * MARK_MESSAGES;
const FIRST_BACKOFF_MILLISECONDS = 100;
const LAST_BACKOFF_MILLISECONDS = 5_000;

/**
 * Publishes a store's outbox: in order, at least once, several at a time. After a failure nothing more is sent; what is
 * in flight is awaited, and after a backoff the relay goes on from the first message that was not acknowledged, one at
 * a time until the broker takes one. So a message that failed comes after others that were sent with it, but never after
 * one of its own subject where only the last one counts. Call `committed` after commits that wrote messages.
 */
export class OutboxRelay implements AsyncDisposable {
  readonly #store: Store;
  readonly #options: OutboxRelayOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #window: number;

  /** Read but not sent, oldest first. */
  #read: PendingMessage[] = [];
  /** Everything up to this sequence has been read. */
  #cursor = 0;
  /** There may be messages after the cursor. */
  #more = true;
  /** The window was full, and not enough of it is free yet. */
  #full = false;
  readonly #inFlight = new Map<number, PendingMessage>();
  /** Subjects of which only the last value counts, and of which a message is in flight. */
  readonly #busy = new Set<string>();
  #inFlightBytes = 0;
  readonly #acknowledged = new Set<number>();
  #marking: Promise<void> | undefined;
  #markTimer: Disposable | undefined;

  #failure: RelayFailure | undefined;
  /** Set from a failure until its backoff is over: the sequence to go on from. */
  #resumeAt: number | undefined;
  #backoffTimer: Disposable | undefined;
  #scheduled = false;
  #stopped: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  /** Starts at once with what an earlier run left. */
  constructor(options: OutboxRelayOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#window = options.windowMessages ?? DEFAULT_WINDOW_MESSAGES;
    this.notify();
  }

  /** Why nothing is published at present; undefined: the last publish succeeded. For health checks. */
  get failure(): RelayFailure | undefined {
    return this.#failure;
  }

  /**
   * A commit wrote these messages, the last of them with that sequence. While the relay keeps up they are sent as they
   * are; otherwise they are read from the store in their turn.
   */
  committed(messages: readonly OutboxMessage[], last: number): void {
    let sequence = last - messages.length;
    const follows = sequence === this.#cursor && this.#resumeAt === undefined;
    if (follows && this.#read.length < HELD_MESSAGES) {
      for (const message of messages) this.#read.push({ ...message, sequence: ++sequence });
      this.#cursor = last;
      this.#schedule();
    } else this.notify();
  }

  /** There may be new messages. */
  notify(): void {
    this.#more = true;
    this.#schedule();
  }

  /** Sends nothing more, awaits what is in flight up to a deadline, marks what was acknowledged. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#backoffTimer?.[Symbol.dispose]();
    if (this.#inFlight.size > 0) {
      const settled = new AbortController();
      this.#onIdle = () => settled.abort();
      await this.#clock.delay(this.#options.drainMilliseconds ?? 5_000, settled.signal);
    }
    this.#markTimer?.[Symbol.dispose]();
    await this.#marking;
    await this.#mark();
  }

  /** In a turn of its own: a broker that answers at once must not keep the process from everything else. */
  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopped && this.#resumeAt === undefined) this.#send();
    });
  }

  #send(): void {
    const window = this.#failure ? 1 : this.#window;
    if (this.#full && this.#inFlight.size > this.#window * (1 - REFILL)) return;
    this.#full = false;
    if (this.#acknowledged.size >= UNMARKED_MESSAGES) return;
    if (this.#read.length === 0 && this.#more && this.#hasRoom(window)) this.#readPending();
    this.#read = this.#sendOf(this.#read, window);
    this.#full = this.#inFlight.size === this.#window;
    if (this.#read.length === 0 && this.#more && this.#hasRoom(window)) this.#schedule();
  }

  /** Sends what there is room for; returns the rest, in order. */
  #sendOf(messages: PendingMessage[], window: number): PendingMessage[] {
    const passed: PendingMessage[] = [];
    const waiting = new Set<string>();
    for (const [index, message] of messages.entries()) {
      if (!this.#hasRoom(window) || this.#resumeAt !== undefined)
        return [...passed, ...messages.slice(index)];
      const { subject } = message;
      const isLastValue = this.#options.isLastValue?.(subject) ?? false;
      if (isLastValue && (this.#busy.has(subject) || waiting.has(subject))) {
        waiting.add(subject);
        passed.push(message);
        continue;
      }
      if (isLastValue) this.#busy.add(subject);
      this.#inFlight.set(message.sequence, message);
      this.#inFlightBytes += message.body.byteLength;
      void this.#publish(message);
    }
    return passed;
  }

  #hasRoom(window: number): boolean {
    return this.#inFlight.size < window && this.#inFlightBytes < WINDOW_BYTES;
  }

  #readPending(): void {
    try {
      const pending = this.#store.read((snapshot) => snapshot.pendingMessages(this.#window, this.#cursor));
      this.#more = pending.length > 0;
      this.#cursor = pending.at(-1)?.sequence ?? this.#cursor;
      this.#read = pending.filter(({ sequence }) => !this.#acknowledged.has(sequence));
    } catch (thrown) {
      this.#fail(this.#cursor + 1, AppError.from(thrown));
    }
  }

  async #publish(message: PendingMessage): Promise<void> {
    let error: AppError | undefined;
    try {
      const result = await this.#options.publish(message);
      if (!result.ok) error = result.error;
    } catch (thrown) {
      error = AppError.from(thrown);
    }
    this.#inFlight.delete(message.sequence);
    this.#busy.delete(message.subject);
    this.#inFlightBytes -= message.body.byteLength;
    if (error) this.#fail(message.sequence, error, message.subject);
    else this.#acknowledge(message.sequence);
    if (this.#inFlight.size === 0) {
      this.#onIdle?.();
      if (this.#resumeAt !== undefined) this.#backOff();
    }
  }

  #acknowledge(sequence: number): void {
    this.#acknowledged.add(sequence);
    // The first success after a failure ends it, but not a success of what was sent before the failure.
    if (this.#resumeAt === undefined && this.#failure) {
      const failure = this.#failure;
      this.#failure = undefined;
      this.#options.onRecovery?.(failure);
    }
    if (this.#acknowledged.size >= MARK_MESSAGES) void this.#mark();
    else this.#markLater();
    this.#schedule();
  }

  #fail(sequence: number, error: AppError, subject?: string): void {
    if (this.#resumeAt !== undefined) {
      this.#resumeAt = Math.min(this.#resumeAt, sequence);
      return;
    }
    this.#resumeAt = sequence;
    const attempt = (this.#failure?.attempt ?? 0) + 1;
    const longest = Math.min(FIRST_BACKOFF_MILLISECONDS * 2 ** (attempt - 1), LAST_BACKOFF_MILLISECONDS);
    const retryMilliseconds = longest * (0.5 + this.#random.fraction() / 2);
    this.#failure = { error, ...(subject !== undefined && { subject }), attempt, retryMilliseconds };
    this.#options.onFailure?.(this.#failure);
    if (this.#inFlight.size === 0) this.#backOff();
  }

  #backOff(): void {
    if (this.#stopped || this.#backoffTimer) return;
    this.#backoffTimer = this.#clock.schedule(this.#failure?.retryMilliseconds ?? 0, () => {
      this.#backoffTimer = undefined;
      // What waited for another of its subject was passed, and may come before what failed.
      this.#cursor = Math.min(this.#resumeAt ?? 1, this.#read[0]?.sequence ?? Number.POSITIVE_INFINITY) - 1;
      this.#resumeAt = undefined;
      this.#read = [];
      this.notify();
    });
  }

  #markLater(): void {
    if (this.#markTimer || this.#stopped) return;
    this.#markTimer = this.#clock.schedule(MARK_MILLISECONDS, () => {
      this.#markTimer = undefined;
      void this.#mark();
    });
  }

  #mark(): Promise<void> {
    this.#marking ??= this.#writeMarks().finally(() => {
      this.#marking = undefined;
    });
    return this.#marking;
  }

  async #writeMarks(): Promise<void> {
    const sequences = [...this.#acknowledged];
    if (sequences.length === 0) return;
    try {
      await this.#store.markPublished(sequences);
      for (const sequence of sequences) this.#acknowledged.delete(sequence);
    } catch {
      // Not lost: they stay acknowledged here and are marked with the next ones. The commits tell that the disk fails.
    }
    if (this.#acknowledged.size > 0) this.#markLater();
    this.#schedule();
  }
}
