import { AppError, err, type Result } from '@outboard/core';
import type { Batch, CommitRefusal, Committed, Store } from '@outboard/store';
import { GroupTransaction, type Transaction } from './transaction.js';

/**
 * One synchronous piece of work: it reads and changes the in-memory projection and says what to write.
 * A refusal is a value; a throw is a bug: the projection is then made anew and the neighbours of the group run again.
 */
export type Work<Value> = (transaction: Transaction) => Value;

export interface GroupWriterOptions {
  readonly store: Store;
  /** Makes the in-memory projection equal to the store again, after work that did not end in a commit. */
  reload(): void;
  /** Called after each commit. Must not throw. */
  committed(batch: Batch, committed: Committed): void;
  /** Called in every group that writes, before its commit: what the whole group causes together (one delta per DPU). */
  finish?(transaction: GroupTransaction): void;
  /** Pieces of work in one commit. */
  readonly maxGroup?: number;
  /** Pieces of work that may wait; one more is refused RESOURCE_EXHAUSTED. */
  readonly maxWaiting?: number;
}

interface Waiting {
  readonly work: Work<unknown>;
  readonly resolve: (result: Result<unknown, AppError>) => void;
}

interface Decided {
  readonly transaction: GroupTransaction;
  /** What the pieces of work returned, in their order; fewer than asked when the transaction is full. */
  readonly values: readonly unknown[];
}

/** Why a group was not written. `together`: one of its pieces may be at fault, and the others would go alone. */
interface Failure {
  readonly error: AppError;
  readonly together: boolean;
}

/**
 * The single writer of a service. Work that arrives while a commit is being written is decided against the projection
 * and committed as one group: many intents share one transaction (and one fsync), and nothing is ever decided upon a
 * state that might not be committed.
 */
export class GroupWriter implements AsyncDisposable {
  readonly #options: GroupWriterOptions;
  readonly #maxGroup: number;
  readonly #maxWaiting: number;
  #waiting: Waiting[] = [];
  readonly #reads: (() => void)[] = [];
  #running: Promise<void> | undefined;
  /** The projection holds what was not committed. */
  #isStale = false;
  #closed = false;

  constructor(options: GroupWriterOptions) {
    this.#options = options;
    this.#maxGroup = options.maxGroup ?? 256;
    this.#maxWaiting = options.maxWaiting ?? 10_000;
  }

  /** Resolves after the commit with what the work returned, or with why nothing of it was written. Never rejects. */
  execute<Value>(work: Work<Value>): Promise<Result<Value, AppError>> {
    if (this.#closed)
      return Promise.resolve(err(new AppError('UNAVAILABLE', 'the service is shutting down')));
    if (this.#waiting.length >= this.#maxWaiting) {
      const message = `${this.#maxWaiting} changes are waiting already`;
      return Promise.resolve(
        err(new AppError('RESOURCE_EXHAUSTED', message, { reason: 'TOO_MANY_WAITING' })),
      );
    }
    return new Promise((resolve) => {
      this.#waiting.push({ work, resolve: resolve as Waiting['resolve'] });
      this.#running ??= this.#run();
    });
  }

  /** Reads the projection when it is equal to what is committed: at once, or after the commit that is under way. */
  query<Value>(read: () => Value): Promise<Value> {
    return new Promise((resolve, reject) => {
      const answer = (): void => {
        try {
          this.#restore();
          resolve(read());
        } catch (thrown) {
          reject(thrown);
        }
      };
      if (this.#running) this.#reads.push(answer);
      else answer();
    });
  }

  /** Refuses new work and awaits what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // A turn of the event loop: what follows from the last group goes out before the next one is decided, which takes
      // some ten milliseconds when it is large, and everything that has arrived joins that.
      await new Promise(setImmediate);
      await this.#writeGroup(this.#waiting.splice(0, this.#maxGroup));
      for (const read of this.#reads.splice(0)) read();
    }
    this.#running = undefined;
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const written = await this.#write(group);
    if ('values' in written) {
      const { values } = written;
      for (const [index, { resolve }] of group.slice(0, values.length).entries()) {
        resolve({ ok: true, value: values[index] });
      }
      this.#waiting = [...group.slice(values.length), ...this.#waiting];
      return;
    }
    this.#isStale = true;
    if (written.together && group.length > 1) {
      // Each runs alone, so that only the guilty one is refused.
      for (const waiting of group) await this.#writeGroup([waiting]);
      return;
    }
    for (const { resolve } of group) resolve(err(written.error));
    try {
      this.#restore();
    } catch {
      // The store cannot be read either: whoever works or reads next tries again, and is told.
    }
  }

  async #write(group: readonly Waiting[]): Promise<Pick<Decided, 'values'> | Failure> {
    const { store, committed } = this.#options;
    try {
      this.#restore();
      const { transaction, values } = this.#decide(group);
      if (transaction.isEmpty) return { values };
      const batch = transaction.toBatch();
      const result = await store.commit(batch);
      if (!result.ok) return { error: errorOf(result.error), together: result.error.kind !== 'unavailable' };
      if (result.value.revision !== transaction.revision) {
        const message = 'another writer has changed the store';
        return { error: new AppError('INTERNAL', message, { reason: 'FOREIGN_WRITER' }), together: false };
      }
      committed(batch, result.value);
      return { values };
    } catch (thrown) {
      return { error: AppError.from(thrown), together: true };
    }
  }

  #decide(group: readonly Waiting[]): Decided {
    return this.#options.store.read((snapshot) => {
      const transaction = new GroupTransaction(snapshot);
      const values: unknown[] = [];
      for (const { work } of group) {
        if (transaction.isFull) break;
        values.push(work(transaction));
      }
      if (!transaction.isEmpty) this.#options.finish?.(transaction);
      return { transaction, values };
    });
  }

  #restore(): void {
    if (!this.#isStale) return;
    this.#options.reload();
    this.#isStale = false;
  }
}

function errorOf(refusal: CommitRefusal): AppError {
  switch (refusal.kind) {
    case 'unavailable':
      return refusal.error;
    // All of this is looked at before anything is decided: whoever sees one of these has found a bug of a domain.
    case 'answered':
    case 'stale':
      return new AppError('ABORTED', 'the resource has changed meanwhile', { reason: 'STALE' });
    case 'taken': {
      const { entry, holder } = refusal;
      const message = `${entry.index} ${entry.value} is held by ${holder.kind} ${holder.tenant}/${holder.name}`;
      return new AppError('ALREADY_EXISTS', message, { reason: 'TAKEN' });
    }
  }
}
