import { AppError, err, type Result } from '@outboard/core';
import type { Batch, CommitRefusal, Committed, Store } from '@outboard/store';

/** A store whose disk can be made full, or slow. */
export class RefusingStore implements Store {
  refusal: CommitRefusal | undefined;
  /** Commits wait for this. */
  flushed: Promise<void> | undefined;
  commits = 0;
  /** Commits that were asked for, whatever became of them. */
  attempts = 0;

  constructor(readonly inner: Store) {}

  get epoch(): string {
    return this.inner.epoch;
  }

  get problem(): AppError | undefined {
    return this.refusal?.kind === 'unavailable' ? this.refusal.error : this.inner.problem;
  }

  set isDiskFull(isFull: boolean) {
    const error = new AppError('UNAVAILABLE', 'database or disk is full', { reason: 'DATABASE_FULL' });
    this.refusal = isFull ? { kind: 'unavailable', error } : undefined;
  }

  read: Store['read'] = (query) => this.inner.read(query);

  async commit(batch: Batch): Promise<Result<Committed, CommitRefusal>> {
    this.attempts++;
    await this.flushed;
    if (this.refusal) return err(this.refusal);
    this.commits++;
    return this.inner.commit(batch);
  }

  markPublished: Store['markPublished'] = (sequences) => this.inner.markPublished(sequences);
  forgetAnswersBefore: Store['forgetAnswersBefore'] = (revision, limit) =>
    this.inner.forgetAnswersBefore(revision, limit);

  async [Symbol.asyncDispose](): Promise<void> {
    await this.inner[Symbol.asyncDispose]();
  }
}
