import { AppError, type Clock, err, type Result, systemClock } from '@outboard/core';
import { CheckedSnapshot } from './checked-snapshot.js';
import { checkLimit, checkSequences, measureBatch } from './limits.js';
import type { Batch, CommitRefusal, Committed, NotPromise, Snapshot, Store } from './port.js';

/** What is asked of the one writer. */
export type Change =
  | { readonly kind: 'commit'; readonly batch: Batch }
  | { readonly kind: 'markPublished'; readonly sequences: readonly number[] }
  | { readonly kind: 'forgetAnswers'; readonly before: number; readonly limit: number };

/** What a commit wrote, or how many rows another change removed. */
export type Outcome = Result<Committed | number, CommitRefusal>;

/** What an adapter adds to the store that this file makes of it. */
export interface Backend {
  readonly epoch: string;
  /**
   * Writes all changes in one transaction, in order, each refused or accepted on its own. Not called again before it has
   * written.
   * @param bytes of the changes, estimated
   * @throws (or rejects with) AppError when nothing of the transaction could be written
   */
  write(changes: readonly Change[], bytes: number): readonly Outcome[] | Promise<readonly Outcome[]>;
  /** Calls the query with a view of committed data that does not change until it returns. */
  read<Value>(query: (view: Snapshot) => Value): Value;
  close(): Promise<void>;
}

/** Of one transaction: longer ones make the commits in them wait and block the event loop. */
const GROUP_CHANGES = 512;
const GROUP_BYTES = 4 * 1024 * 1024;
/** Of all that wait: a caller that is faster than the disk is told so instead of filling the memory. */
const WAITING_CHANGES = 16_384;
const WAITING_BYTES = 64 * 1024 * 1024;

/** Between two attempts to write while writing fails: with them it is noticed that a disk has room again. */
const PROBE_MILLISECONDS = 2_000;
/** A full disk still takes what is small: writing works again when it has not failed for so long, or takes as much. */
const CALM_MILLISECONDS = 10_000;
/** Changes nothing, but is written like any other change. */
const PROBE: Change = { kind: 'forgetAnswers', before: 0, limit: 1 };

export interface GroupCommitOptions {
  readonly clock?: Clock;
  /** Told when writing begins to fail, or fails otherwise than before, and (undefined) when it works again. For logs. */
  readonly onProblem?: (problem: AppError | undefined) => void;
}

interface Waiting {
  readonly change: Change;
  readonly bytes: number;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (thrown: unknown) => void;
}

/**
 * A store with one writer and group commit over any backend. A transaction begins in a turn of its own of the event
 * loop; the commits that arrived up to then are its group. While one is being written (and flushed to disk), more of
 * them gather, so groups grow with the load and there is no timer to tune.
 * What is found damaged is not written any more, as that could only damage more of it; it can still be read where it is
 * not.
 */
export class GroupCommitStore implements Store {
  readonly #backend: Backend;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #problem: AppError | undefined;
  /** The last failure: bytes of what was to be written, and when (monotonic milliseconds). */
  #failure = { bytes: 0, at: 0 };
  #probe: Disposable | undefined;

  constructor(
    backend: Backend,
    private readonly options: GroupCommitOptions = {},
  ) {
    this.#backend = backend;
  }

  get problem(): AppError | undefined {
    return this.#problem;
  }

  get epoch(): string {
    return this.#backend.epoch;
  }

  read<Value>(query: (snapshot: Snapshot) => NotPromise<Value>): Value {
    if (this.#closing) throw closedError();
    try {
      return this.#backend.read((view) => {
        const snapshot = new CheckedSnapshot(view);
        try {
          return query(snapshot);
        } finally {
          snapshot.end();
        }
      });
    } catch (thrown) {
      if (thrown instanceof AppError && isDamage(thrown)) this.#failed(thrown, 0);
      throw thrown;
    }
  }

  async commit(batch: Batch): Promise<Result<Committed, CommitRefusal>> {
    return this.#enqueue<Committed>({ kind: 'commit', batch }, measureBatch(batch));
  }

  async markPublished(sequences: readonly number[]): Promise<void> {
    if (sequences.length === 0) return;
    checkSequences(sequences);
    removedOrThrow(await this.#enqueue<number>({ kind: 'markPublished', sequences }, sequences.length * 8));
  }

  async forgetAnswersBefore(revision: number, limit: number): Promise<number> {
    checkLimit(limit);
    return removedOrThrow(await this.#enqueue<number>({ kind: 'forgetAnswers', before: revision, limit }, 0));
  }

  /** Writes everything that was called before, then closes. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#probe?.[Symbol.dispose]();
    await this.#writing;
    await this.#backend.close();
  }

  /** The backend answers each kind of change with its own kind of value. */
  #enqueue<Value extends Committed | number>(
    change: Change,
    bytes: number,
  ): Promise<Result<Value, CommitRefusal>> {
    if (this.#closing) return Promise.resolve(unavailable(closedError()));
    if (this.#problem && isDamage(this.#problem)) return Promise.resolve(unavailable(this.#problem));
    if (this.#waiting.length >= WAITING_CHANGES || this.#waitingBytes + bytes > WAITING_BYTES) {
      return Promise.resolve(unavailable(queueFullError()));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, bytes, resolve: resolve as Waiting['resolve'], reject });
      this.#waitingBytes += bytes;
      this.#writing ??= this.#writeGroups();
    });
  }

  async #writeGroups(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise(setImmediate);
      await this.#writeGroup();
    }
    this.#writing = undefined;
  }

  async #writeGroup(): Promise<void> {
    const { group, bytes } = this.#takeGroup();
    let outcomes: readonly Outcome[];
    try {
      outcomes = await this.#backend.write(
        group.map(({ change }) => change),
        bytes,
      );
    } catch (thrown) {
      if (thrown instanceof AppError) this.#failed(thrown, bytes);
      for (const { resolve, reject } of group) {
        if (thrown instanceof AppError) resolve(unavailable(thrown));
        else reject(thrown);
      }
      return;
    }
    if (this.#problem) this.#succeeded(bytes);
    group.forEach(({ resolve, reject }, at) => {
      const outcome = outcomes[at];
      if (outcome) resolve(outcome);
      else reject(new Error('invariant violated: the backend answers every change'));
    });
  }

  #failed(error: AppError, bytes: number): void {
    this.#failure = { bytes, at: this.#clock.monotonic() };
    this.#becomes(error);
    this.#probeLater();
  }

  #succeeded(bytes: number): void {
    const isCalm = this.#clock.monotonic() - this.#failure.at >= CALM_MILLISECONDS;
    if (isCalm || (bytes > 0 && bytes >= this.#failure.bytes)) this.#becomes(undefined);
    else this.#probeLater();
  }

  #probeLater(): void {
    this.#probe?.[Symbol.dispose]();
    if (this.#closing || isDamage(this.#problem)) return;
    this.#probe = this.#clock.schedule(PROBE_MILLISECONDS, () => void this.#enqueue(PROBE, 0));
  }

  get #clock(): Clock {
    return this.options.clock ?? systemClock;
  }

  #becomes(problem: AppError | undefined): void {
    if (isDamage(this.#problem) || problem?.message === this.#problem?.message) return;
    this.#problem = problem;
    this.options.onProblem?.(problem);
  }

  #takeGroup(): { readonly group: readonly Waiting[]; readonly bytes: number } {
    let count = 0;
    let bytes = 0;
    for (const { bytes: added } of this.#waiting) {
      if (count === GROUP_CHANGES || (count > 0 && bytes + added > GROUP_BYTES)) break;
      count++;
      bytes += added;
    }
    this.#waitingBytes -= bytes;
    return { group: this.#waiting.splice(0, count), bytes };
  }
}

const unavailable = (error: AppError): Result<never, CommitRefusal> => err({ kind: 'unavailable', error });

/** It does not go away by itself. */
const isDamage = (error: AppError | undefined): boolean => error?.code === 'DATA_LOSS';

function closedError(): AppError {
  return new AppError('FAILED_PRECONDITION', 'the store is closed', { reason: 'STORE_CLOSED' });
}

function queueFullError(): AppError {
  return new AppError(
    'RESOURCE_EXHAUSTED',
    `more than ${WAITING_CHANGES} changes or ${WAITING_BYTES} bytes wait to be written; retry later`,
    { reason: 'STORE_QUEUE_FULL' },
  );
}

function removedOrThrow(outcome: Result<number, CommitRefusal>): number {
  if (outcome.ok) return outcome.value;
  throw outcome.error.kind === 'unavailable' ? outcome.error.error : new Error(JSON.stringify(outcome.error));
}
