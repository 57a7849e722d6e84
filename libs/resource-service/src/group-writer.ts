import { AppError, err, type Result } from '@outboard/core';
import type {
  Batch,
  CommitRefusal,
  Key,
  NewRow,
  OutboxMessage,
  RememberedAnswer,
  Store,
} from '@outboard/store';
import { keyText } from './rows.js';

/** What the pieces of work of one group write together. */
export interface Transaction {
  /** The revision that the group's commit will have. */
  readonly revision: number;
  put(row: NewRow): void;
  delete(key: Key): void;
  send(message: OutboxMessage): void;
  remember(answer: RememberedAnswer): void;
}

/**
 * One synchronous piece of work: it reads and changes the in-memory projection and says what to write.
 * A refusal is a value; a throw is a bug: the projection is then reloaded and the neighbours of the group run again.
 */
export type Work<Value> = (transaction: Transaction) => Value;

export interface GroupWriterOptions {
  readonly store: Store;
  /** Makes the in-memory projection equal to the store again, after work that did not end in a commit. */
  reload(): void;
  /** Called after each commit, with its revision. */
  committed(revision: number): void;
  /** Called in every group before its commit: what the whole group causes together (one delta per DPU). */
  finish?(transaction: Transaction): void;
  /** Pieces of work in one commit. */
  readonly maxGroup?: number;
  /** Pieces of work that may wait; one more is refused RESOURCE_EXHAUSTED. */
  readonly maxWaiting?: number;
}

interface Waiting {
  readonly work: Work<unknown>;
  readonly resolve: (result: Result<unknown, AppError>) => void;
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
  readonly #waiting: Waiting[] = [];
  readonly #reads: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: GroupWriterOptions) {
    this.#options = options;
    this.#maxGroup = options.maxGroup ?? 256;
    this.#maxWaiting = options.maxWaiting ?? 10_000;
  }

  /** Resolves after the commit with what the work returned, or with why nothing of it was written. */
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
    if (!this.#running) return Promise.resolve().then(read);
    return new Promise((resolve, reject) => {
      this.#reads.push(() => {
        try {
          resolve(read());
        } catch (thrown) {
          reject(thrown);
        }
      });
    });
  }

  /** Refuses new work and awaits what waits. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    // A turn of the event loop lets everything that has arrived join the first group.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      await this.#commitGroup(this.#waiting.splice(0, this.#maxGroup));
      for (const read of this.#reads.splice(0)) read();
    }
    this.#running = undefined;
  }

  async #commitGroup(group: readonly Waiting[]): Promise<void> {
    const { store } = this.#options;
    const revision = store.read((snapshot) => snapshot.revision) + 1;
    const batch = new BatchBuilder(revision);
    const values: unknown[] = [];
    try {
      for (const { work } of group) values.push(work(batch));
      if (!batch.isEmpty) this.#options.finish?.(batch);
    } catch (thrown) {
      await this.#isolate(group, AppError.from(thrown));
      return;
    }
    if (!batch.isEmpty) {
      const committed = await this.#commit(batch);
      if (!committed.ok) {
        this.#options.reload();
        for (const waiting of group) waiting.resolve(committed);
        return;
      }
      this.#options.committed(revision);
    }
    group.forEach((waiting, index) => {
      waiting.resolve({ ok: true, value: values[index] });
    });
  }

  /** One piece of a group threw: each runs alone, so that only the guilty one is refused. */
  async #isolate(group: readonly Waiting[], error: AppError): Promise<void> {
    this.#options.reload();
    const [alone] = group;
    if (group.length === 1 && alone) {
      alone.resolve(err(error));
      return;
    }
    for (const waiting of group) await this.#commitGroup([waiting]);
  }

  async #commit(batch: BatchBuilder): Promise<Result<unknown, AppError>> {
    const result = await this.#options.store.commit(batch.toBatch());
    if (result.ok) {
      if (result.value.revision === batch.revision) return result;
      return err(
        new AppError('INTERNAL', 'another writer has changed the store', { reason: 'FOREIGN_WRITER' }),
      );
    }
    return err(refusalOf(result.error));
  }
}

function refusalOf(refusal: CommitRefusal): AppError {
  switch (refusal.kind) {
    case 'unavailable':
      return refusal.error;
    // Repetitions are recognised before they are decided on, so that neither of these two should be seen.
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

/** Collects a batch; the last write of a key counts. */
class BatchBuilder implements Transaction {
  readonly messages: OutboxMessage[] = [];
  readonly #puts = new Map<string, NewRow>();
  readonly #deletes = new Map<string, Key>();
  readonly #answers: RememberedAnswer[] = [];

  constructor(readonly revision: number) {}

  get isEmpty(): boolean {
    return this.#puts.size + this.#deletes.size + this.messages.length + this.#answers.length === 0;
  }

  put(row: NewRow): void {
    const text = keyText(row.key);
    this.#deletes.delete(text);
    this.#puts.set(text, row);
  }

  delete(key: Key): void {
    const text = keyText(key);
    this.#puts.delete(text);
    this.#deletes.set(text, key);
  }

  send(message: OutboxMessage): void {
    this.messages.push(message);
  }

  remember(answer: RememberedAnswer): void {
    this.#answers.push(answer);
  }

  toBatch(): Batch {
    return {
      expect: [],
      puts: [...this.#puts.values()],
      deletes: [...this.#deletes.values()],
      outbox: this.messages,
      remember: this.#answers,
    };
  }
}
