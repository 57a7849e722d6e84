import { describe, expect, it } from '@jest/globals';
import { AppError, err, type Result, unwrap } from '@outboard/core';
import { type Batch, type CommitRefusal, type Committed, openMemoryStore, type Store } from '@outboard/store';
import { GroupWriter, type Transaction } from './group-writer.js';

/** A counter as a projection: work increments it and writes its value. */
class Counter {
  value = 0;
  constructor(readonly store: Store) {}

  reload(): void {
    const key = { kind: 'Counter', tenant: '_', name: 'counter' };
    this.value = Number(this.store.read((snapshot) => snapshot.get(key)?.value ?? '0'));
  }

  increment = (transaction: Transaction): number => {
    this.value++;
    transaction.put({
      key: { kind: 'Counter', tenant: '_', name: 'counter' },
      value: String(this.value),
      indexes: [],
    });
    return this.value;
  };
}

function open(store: Store = openMemoryStore()) {
  const counter = new Counter(store);
  const commits: number[] = [];
  const writer = new GroupWriter({
    store,
    reload: () => counter.reload(),
    committed: (revision) => commits.push(revision),
  });
  return { store, counter, commits, writer };
}

describe('the group writer', () => {
  it('commits work that arrives together as one group, in the order of the calls', async () => {
    const { writer, counter, commits } = open();
    const results = await Promise.all(Array.from({ length: 100 }, () => writer.execute(counter.increment)));
    expect(results.map((result) => unwrap(result))).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 1),
    );
    expect(commits).toEqual([1]);
  });

  it('answers work that writes nothing without a commit', async () => {
    const { writer, commits } = open();
    expect(await writer.execute(() => 'seen')).toEqual({ ok: true, value: 'seen' });
    expect(commits).toEqual([]);
  });

  it('refuses only the piece that throws: its neighbours are decided again without it', async () => {
    const { writer, counter } = open();
    const poison = (transaction: Transaction): number => {
      counter.increment(transaction);
      throw new Error('bug');
    };
    const results = await Promise.all([
      writer.execute(counter.increment),
      writer.execute(poison),
      writer.execute(counter.increment),
    ]);
    expect(results).toMatchObject([
      { ok: true, value: 1 },
      { ok: false, error: { code: 'INTERNAL', message: 'bug' } },
      { ok: true, value: 2 },
    ]);
    expect(counter.value).toBe(2);
  });

  it('makes the projection equal to the store again when a commit fails, and tells every caller of the group', async () => {
    const store = new RefusingStore(openMemoryStore());
    const { writer, counter } = open(store);
    await writer.execute(counter.increment);
    store.refusal = { kind: 'unavailable', error: new AppError('UNAVAILABLE', 'disk full') };
    const failed = await Promise.all([writer.execute(counter.increment), writer.execute(counter.increment)]);
    expect(failed).toMatchObject([
      { ok: false, error: { code: 'UNAVAILABLE' } },
      { ok: false, error: { code: 'UNAVAILABLE' } },
    ]);
    expect(counter.value).toBe(1);
    store.refusal = undefined;
    expect(await writer.execute(counter.increment)).toEqual({ ok: true, value: 2 });
  });

  it('refuses work above its bound, and after it was closed', async () => {
    const { store, counter } = open();
    const bounded = new GroupWriter({ store, reload: () => {}, committed: () => {}, maxWaiting: 1 });
    const first = bounded.execute(counter.increment);
    expect(await bounded.execute(counter.increment)).toMatchObject({ error: { code: 'RESOURCE_EXHAUSTED' } });
    await bounded[Symbol.asyncDispose]();
    expect(await first).toMatchObject({ ok: true });
    expect(await bounded.execute(counter.increment)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
  });
});

/** A store whose commits can be made to fail. */
class RefusingStore implements Store {
  refusal: CommitRefusal | undefined;
  readonly epoch: string;

  constructor(private readonly store: Store) {
    this.epoch = store.epoch;
  }

  read: Store['read'] = (query) => this.store.read(query);

  async commit(batch: Batch): Promise<Result<Committed, CommitRefusal>> {
    return this.refusal ? err(this.refusal) : this.store.commit(batch);
  }

  markPublished: Store['markPublished'] = (sequences) => this.store.markPublished(sequences);
  forgetAnswersBefore: Store['forgetAnswersBefore'] = (revision, limit) =>
    this.store.forgetAnswersBefore(revision, limit);

  [Symbol.asyncDispose](): Promise<void> {
    return this.store[Symbol.asyncDispose]();
  }
}
