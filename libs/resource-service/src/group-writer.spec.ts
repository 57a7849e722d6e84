import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { openMemoryStore, type Store } from '@outboard/store';
import { GroupWriter } from './group-writer.js';
import { RefusingStore } from './testing/index.js';
import type { Transaction } from './transaction.js';

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
    committed: (_, { revision }) => commits.push(revision),
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

  it('lets go out what follows from a group before it decides the next one', async () => {
    const store = openMemoryStore();
    const counter = new Counter(store);
    const order: string[] = [];
    const writer = new GroupWriter({
      store,
      reload: () => counter.reload(),
      committed: () => setImmediate(() => order.push('sent')),
      maxGroup: 1,
    });
    const decide = (transaction: Transaction): number => {
      order.push('decided');
      return counter.increment(transaction);
    };
    await Promise.all([writer.execute(decide), writer.execute(decide)]);
    await new Promise(setImmediate);
    expect(order).toEqual(['decided', 'sent', 'decided', 'sent']);
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
    store.isDiskFull = true;
    const failed = await Promise.all([writer.execute(counter.increment), writer.execute(counter.increment)]);
    expect(failed).toMatchObject([
      { ok: false, error: { code: 'UNAVAILABLE' } },
      { ok: false, error: { code: 'UNAVAILABLE' } },
    ]);
    expect(counter.value).toBe(1);
    store.isDiskFull = false;
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

  it('ends a group before it becomes too large for a batch; what waits comes next, in order', async () => {
    const { writer, counter, commits } = open();
    const large = (transaction: Transaction): number => {
      for (let index = 0; index < 1_500; index++) {
        const key = { kind: 'Row', tenant: '_', name: `${counter.value}-${index}` };
        transaction.put({ key, value: '{}', indexes: [] });
      }
      return counter.increment(transaction);
    };
    const results = await Promise.all(Array.from({ length: 10 }, () => writer.execute(large)));
    expect(results.map((result) => unwrap(result))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(commits).toEqual([1, 2, 3, 4, 5]);
  });

  it('refuses work that is too large for any batch, and nothing else', async () => {
    const { writer, counter } = open();
    const endless = (transaction: Transaction): void => {
      for (let index = 0; index < 10_001; index++) {
        transaction.put({ key: { kind: 'Row', tenant: '_', name: `${index}` }, value: '{}', indexes: [] });
      }
    };
    const results = await Promise.all([writer.execute(counter.increment), writer.execute(endless)]);
    expect(results).toMatchObject([
      { ok: true, value: 1 },
      { ok: false, error: { code: 'INVALID_ARGUMENT' } },
    ]);
    expect(await writer.execute(counter.increment)).toEqual({ ok: true, value: 2 });
  });

  it('shows a piece of work what its group has written so far, over what is committed', async () => {
    const { writer, counter } = open();
    const key = { kind: 'Counter', tenant: '_', name: 'counter' };
    await writer.execute(counter.increment);
    const seen: (string | undefined)[] = [];
    const look = (transaction: Transaction): void => {
      seen.push(transaction.row(key)?.value);
    };
    await Promise.all([
      writer.execute(look),
      writer.execute(counter.increment),
      writer.execute(look),
      writer.execute((transaction) => transaction.delete(key)),
      writer.execute(look),
    ]);
    expect(seen).toEqual(['1', '2', undefined]);
  });

  it('reads between groups only: never what might not be committed', async () => {
    const { writer, counter, store } = open();
    const work = writer.execute(counter.increment);
    const seen = writer.query(() => [counter.value, store.read((snapshot) => snapshot.revision)]);
    expect(await seen).toEqual([1, 1]);
    await work;
    expect(await writer.query(() => counter.value)).toBe(1);
    await expect(
      writer.query(() => {
        throw new Error('a bug of the reader');
      }),
    ).rejects.toThrow('a bug of the reader');
  });

  it('outlives a projection that cannot be made anew at once: whoever comes next makes it', async () => {
    const store = new RefusingStore(openMemoryStore());
    const counter = new Counter(store);
    let isBroken = true;
    const reload = (): void => {
      if (isBroken) throw new Error('input/output error');
      counter.reload();
    };
    const writer = new GroupWriter({ store, reload, committed: () => {} });
    await writer.execute(counter.increment);
    store.isDiskFull = true;
    expect(await writer.execute(counter.increment)).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    store.isDiskFull = false;
    const refused = await writer.execute(counter.increment);
    expect(refused).toMatchObject({ error: { message: 'input/output error' } });
    await expect(writer.query(() => counter.value)).rejects.toThrow('input/output error');
    isBroken = false;
    expect(await writer.query(() => counter.value)).toBe(1);
    expect(await writer.execute(counter.increment)).toEqual({ ok: true, value: 2 });
  });
});
