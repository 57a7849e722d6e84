import type { Batch, NotPromise, Snapshot, Store } from '@outboard/store';
import type { Life } from './life.js';

/** A store as a process sees it that may die: before a commit, or between the commit and hearing of it. */
export class SimulatedStore implements Store {
  constructor(
    private readonly store: Store,
    private readonly life: Life,
    /** Told of what is stored from now on. */
    private readonly stored: (batch: Batch, revision: number) => void = () => {},
  ) {}

  get epoch(): string {
    return this.store.epoch;
  }

  get problem(): Store['problem'] {
    return this.store.problem;
  }

  read<Value>(query: (snapshot: Snapshot) => NotPromise<Value>): Value {
    return this.store.read(query);
  }

  commit(batch: Batch): ReturnType<Store['commit']> {
    return this.life.step('a commit', async () => {
      const committed = await this.store.commit(batch);
      if (committed.ok) this.stored(batch, committed.value.revision);
      return committed;
    });
  }

  markPublished(sequences: readonly number[]): Promise<void> {
    return this.life.step('a note of what is published', () => this.store.markPublished(sequences));
  }

  forgetAnswersBefore(revision: number, limit: number): Promise<number> {
    return this.life.step('forgetting', () => this.store.forgetAnswersBefore(revision, limit));
  }

  /** What is stored outlives the process. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
