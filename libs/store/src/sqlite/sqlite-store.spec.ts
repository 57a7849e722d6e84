import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { storeContract } from '../contract-suite.js';
import { openSqliteStore } from './open.js';

const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let opened = 0;
for (const durability of ['NORMAL', 'FULL'] as const) {
  storeContract(`the SQLite store (${durability})`, () =>
    openSqliteStore({ path: join(folder, `${opened++}.sqlite`), durability }),
  );
}
