import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { openedStores } from '../../test/opened-stores.js';
import type { Key, Store } from '../port.js';

const openStore = openedStores();
const project = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
/** Processes start slowly on a busy machine. */
const TIMEOUT_MILLISECONDS = 60_000;
let child: ChildProcess | undefined;

beforeAll(() => {
  const built = spawnSync('npx', ['tsc', '-b', project], { encoding: 'utf8' });
  expect({ status: built.status, output: built.stdout }).toEqual({ status: 0, output: '' });
}, TIMEOUT_MILLISECONDS);
afterEach(() => {
  child?.kill('SIGKILL');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts the committing process, and gives the numbers that it acknowledged so far. */
async function startCommitting(
  path: string,
  durability: string,
  thread: string,
  first: number,
  atLeast: number,
) {
  const started = spawn(
    process.execPath,
    [join(project, 'test/committing-process.mjs'), path, durability, thread, `${first}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child = started;
  const acknowledged: number[] = [];
  let errors = '';
  started.stderr.on('data', (text) => {
    errors += text;
  });
  const lines = createInterface({ input: started.stdout });
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      acknowledged.push(Number(line));
      if (acknowledged.length === atLeast) resolve();
    });
    lines.on('close', () => reject(new Error(`the process ended by itself: ${errors}`)));
  });
  const kill = async (): Promise<void> => {
    const closed = once(lines, 'close');
    started.kill('SIGKILL');
    await closed;
  };
  return { acknowledged, kill };
}

function allKeys(store: Store, tenant: string): Key[] {
  const keys: Key[] = [];
  let after: Key | undefined;
  do {
    const from = after ? { after } : {};
    const page = store.read((snapshot) => snapshot.list('Port', { tenant, ...from, limit: 10_000 }));
    keys.push(...page.rows.map(({ key }) => key));
    after = page.next;
  } while (after);
  return keys;
}

function allMessages(store: Store): string[] {
  const ids: string[] = [];
  for (let after = 0; ; ) {
    const page = store.read((snapshot) => snapshot.pendingMessages(10_000, after));
    const last = page.at(-1);
    if (!last) return ids;
    ids.push(...page.map(({ messageId }) => messageId));
    after = last.sequence;
  }
}

describe.each([
  ['NORMAL', 'when-busy'],
  ['FULL', 'always'],
] as const)('a process killed in the middle of commits (%s, on a thread %s)', (durability, thread) => {
  it(
    'has lost no acknowledged commit and half-written none, time after time',
    async () => {
      const path = join(folder, `${durability}.sqlite`);
      const acknowledged: number[] = [];
      let epoch: string | undefined;
      for (let round = 0; round < 3; round++) {
        const committing = await startCommitting(
          path,
          durability,
          thread,
          round * 1_000_000,
          200 + 150 * round,
        );
        await committing.kill();
        acknowledged.push(...committing.acknowledged);

        const store = await openStore({ path, durability });
        expect(store.epoch).toBe(epoch ?? store.epoch);
        epoch = store.epoch;
        const numbers = allKeys(store, 'a').map(({ name }) => name.slice(1));
        const found = new Set(numbers.map(Number));
        expect(acknowledged.filter((number) => !found.has(number))).toEqual([]);
        expect(allKeys(store, 'b').map(({ name }) => name.slice(1))).toEqual(numbers);
        expect(allMessages(store).sort()).toEqual(numbers.map((number) => `m${number}`).sort());
        store.read((snapshot) => {
          expect(snapshot.revision).toBe(numbers.length);
          for (const number of numbers) {
            expect(snapshot.find('port.number', number, 3)).toHaveLength(2);
            expect(snapshot.remembered(`m${number}`)).toBeDefined();
          }
        });
        await store[Symbol.asyncDispose]();
      }
    },
    TIMEOUT_MILLISECONDS,
  );
});

it(
  'a database that another process has open for writing is refused by name until that process is dead',
  async () => {
    const path = join(folder, 'shared.sqlite');
    const committing = await startCommitting(path, 'NORMAL', 'when-busy', 0, 10);
    await expect(openStore({ path, durability: 'NORMAL' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'DATABASE_IN_USE',
      message: expect.stringContaining(path),
    });
    await committing.kill();
    const store = await openStore({ path, durability: 'NORMAL' });
    await store[Symbol.asyncDispose]();
  },
  TIMEOUT_MILLISECONDS,
);
