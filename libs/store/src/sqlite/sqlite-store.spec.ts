import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { openedStores } from '../../test/opened-stores.js';
import { newBatch, newRow, portKey, storeContract } from '../contract-suite.js';

const openStore = openedStores();
const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let opened = 0;
for (const [durability, thread] of [
  ['NORMAL', 'when-busy'],
  ['FULL', 'always'],
] as const) {
  storeContract(`the SQLite store (${durability}, on a thread ${thread})`, () =>
    openStore({ path: join(folder, `${opened++}.sqlite`), durability, thread }),
  );
}

it('goes over to a thread with the first large group', async () => {
  const store = await openStore({ path: join(folder, 'busy.sqlite'), durability: 'NORMAL' });
  const large = (name: string) => newBatch({ puts: [newRow(portKey(name), 'x'.repeat(300 * 1024))] });
  for (let at = 1; at <= 20; at++) expect(unwrap(await store.commit(large(`p${at}`))).revision).toBe(at);
  expect(store.read((snapshot) => snapshot.list('Port', { limit: 100 })).rows).toHaveLength(20);
});

it.each(['when-busy', 'always'] as const)(
  'a bug that shows while a group is written (on a thread %s) rejects the group, writes nothing of it, and the next commit works',
  async (thread) => {
    const path = join(folder, `bug-${thread}.sqlite`);
    const store = await openStore({ path, durability: 'NORMAL', thread });
    let reads = 0;
    const row = newRow(portKey('b'));
    const breaking = {
      ...row,
      get value(): string {
        if (reads++ > 0) throw new Error('a bug');
        return row.value;
      },
    };
    const results = await Promise.allSettled([
      store.commit(newBatch({ puts: [newRow(portKey('a'))] })),
      store.commit(newBatch({ puts: [breaking] })),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(store.read((snapshot) => snapshot.list('Port', { limit: 10 })).rows).toEqual([]);
    expect((await store.commit(newBatch({ puts: [newRow(portKey('a'))] }))).ok).toBe(true);
  },
);
