import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import { openedStores } from '../../test/opened-stores.js';
import { newBatch, newRow, portKey, storeContract } from '../contract-suite.js';

const openStore = openedStores();
const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let opened = 0;
for (const durability of ['NORMAL', 'FULL'] as const) {
  storeContract(`the SQLite store (${durability})`, () =>
    openStore({ path: join(folder, `${opened++}.sqlite`), durability }),
  );
}

it('a bug that shows while a group is written rejects the group, writes nothing of it, and the next commit works', async () => {
  const store = await openStore({ path: join(folder, 'bug.sqlite'), durability: 'NORMAL' });
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
});
