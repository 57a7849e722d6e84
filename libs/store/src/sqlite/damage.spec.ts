import { closeSync, fstatSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { openedStores } from '../../test/opened-stores.js';
import { newBatch, newRow, portKey } from '../contract-suite.js';
import { checkSqliteStore } from './backup.js';

const openStore = openedStores();
const PAGE = 4_096;
let folder = '';
let path = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
  path = join(folder, 'store.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** More rows than a connection keeps pages of in memory. */
async function fillStore(): Promise<void> {
  const store = await openStore({ path, durability: 'NORMAL' });
  for (let at = 0; at < 100; at++) {
    const rows = Array.from({ length: 40 }, (_, index) =>
      newRow(portKey(`port-${at}-${index}`), 'x'.repeat(1_000)),
    );
    unwrap(await store.commit(newBatch({ puts: rows })));
  }
  await store[Symbol.asyncDispose]();
}

function damage(): void {
  const file = openSync(path, 'r+');
  const { size } = fstatSync(file);
  for (let at = PAGE; at < size; at += PAGE) writeSync(file, Buffer.alloc(PAGE / 2, 0xa5), 0, PAGE / 2, at);
  closeSync(file);
}

it('a store that is damaged while it is open takes no change any more once that is seen, and stays so', async () => {
  await fillStore();
  const store = await openStore({ path, durability: 'NORMAL' });
  damage();
  const list = () => store.read((snapshot) => snapshot.list('Port', { limit: 10_000 }));
  expect(list).toThrow(expect.objectContaining({ code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' }));
  expect(store.problem?.message).toMatch(/store\.sqlite cannot be used .*restore a backup/);
  expect(await store.commit(newBatch({ puts: [newRow(portKey('later'))] }))).toMatchObject({
    ok: false,
    error: { kind: 'unavailable', error: { code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' } },
  });
  expect(store.problem).toMatchObject({ code: 'DATA_LOSS' });
});

it('a store that is damaged is neither opened nor found whole', async () => {
  await fillStore();
  await expect(checkSqliteStore({ path })).resolves.toMatchObject({ rows: 4_000 });
  damage();
  await expect(openStore({ path, durability: 'NORMAL' })).rejects.toMatchObject({
    code: 'DATA_LOSS',
    message: expect.stringContaining(path),
  });
  await expect(checkSqliteStore({ path })).rejects.toMatchObject({
    code: 'DATA_LOSS',
    metadata: { problems: expect.stringMatching(/page/i) },
  });
});
