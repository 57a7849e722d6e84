import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newBatch, newMessage } from './contract-suite.js';
import { openMemoryStore } from './memory/memory-store.js';
import type { Batch, IndexEntry, Key, Snapshot, Store } from './port.js';
import { openSqliteStore } from './sqlite/open.js';

const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Few of everything, so that batches meet. */
const KINDS = ['Network', 'Port'];
const TENANTS = ['_', 'a', 'a-b', 'b'];
const ENTRIES: readonly IndexEntry[] = [
  ...['x', 'y', 'ü'].map((value) => ({ index: 'unique', value, unique: true })),
  ...['x', 'y'].map((value) => ({ index: 'shared', value, unique: false })),
];
const MESSAGE_IDS = ['id-1', 'id-2', 'id-3'];

interface Stores {
  readonly path: string;
  readonly memory: Store;
  sqlite: Store;
}

/** An expectation relative to what is there when the batch is committed. */
type Expected = 'current' | 'absent' | 'outdated';

interface Plan extends Omit<Batch, 'expect'> {
  readonly expect: readonly { readonly key: Key; readonly expected: Expected }[];
}

const keys = fc.record({
  kind: fc.constantFrom(...KINDS),
  tenant: fc.constantFrom(...TENANTS),
  name: fc.constantFrom('1', '10', '2'),
});
const keyText = ({ kind, tenant, name }: Key): string => `${kind}/${tenant}/${name}`;

const plans: fc.Arbitrary<Plan> = fc
  .record({
    expect: fc.array(
      fc.record({
        key: keys,
        // Mostly what holds: a batch that is always refused teaches nothing.
        expected: fc.oneof(
          { weight: 8, arbitrary: fc.constant<Expected>('current') },
          fc.constantFrom<Expected>('absent', 'outdated'),
        ),
      }),
      { maxLength: 2 },
    ),
    rows: fc.uniqueArray(
      fc.record({
        key: keys,
        value: fc.json({ maxDepth: 1 }),
        indexes: fc.subarray([...ENTRIES], { maxLength: 2 }),
        isDeleted: fc.boolean(),
      }),
      { selector: ({ key }) => keyText(key), maxLength: 4 },
    ),
    outbox: fc.array(fc.string({ unit: 'grapheme', maxLength: 5 }), { maxLength: 3 }),
    remember: fc.option(fc.constantFrom(...MESSAGE_IDS), { freq: 3 }),
  })
  .map(({ expect, rows, outbox, remember }) => ({
    expect,
    puts: rows
      .filter(({ isDeleted }) => !isDeleted)
      .map(({ key, value, indexes }) => ({ key, value, indexes })),
    deletes: rows.filter(({ isDeleted }) => isDeleted).map(({ key }) => key),
    outbox: outbox.map((body, at) => newMessage(`m${at}`, body)),
    remember: remember === null ? [] : [{ messageId: remember, fingerprint: 'f', answer: '{}' }],
  }));

function toBatch(plan: Plan, memory: Store): Batch {
  const revisionOf = (key: Key): number | 'absent' =>
    memory.read((snapshot) => snapshot.get(key)?.revision) ?? 'absent';
  return newBatch({
    ...plan,
    expect: plan.expect.map(({ key, expected }) => {
      const revision = revisionOf(key);
      if (expected === 'current') return { key, revision };
      if (expected === 'absent' || revision === 'absent') return { key, revision: 'absent' };
      return { key, revision: revision - 1 };
    }),
  });
}

/** Everything that can be read, read in pages of `limit`. */
function everything(snapshot: Snapshot, limit: number): unknown {
  const listed = (kind: string, options: { tenant?: string }): unknown[] => {
    const pages: unknown[] = [];
    let after: Key | undefined;
    do {
      const page = snapshot.list(kind, { ...options, ...(after ? { after } : {}), limit });
      pages.push(page);
      after = page.next;
    } while (after);
    return pages;
  };
  return {
    revision: snapshot.revision,
    lists: KINDS.map((kind) => [listed(kind, {}), TENANTS.map((tenant) => listed(kind, { tenant }))]),
    found: ENTRIES.map(({ index, value }) => {
      const first = snapshot.find(index, value, limit);
      return [first, snapshot.find(index, value, limit, first.at(-1)?.key)];
    }),
    remembered: MESSAGE_IDS.map((messageId) => snapshot.remembered(messageId)),
    pending: snapshot.pendingMessages(limit * 10).map(({ body, ...message }) => [message, [...body]]),
  };
}

function holdsInvariants(memory: Store): void {
  memory.read((snapshot) => {
    for (const { index, value, unique } of ENTRIES) {
      const holders = snapshot.find(index, value, 100);
      if (unique) expect(holders.length).toBeLessThanOrEqual(1);
      for (const row of holders) {
        expect(row.indexes).toContainEqual({ index, value, unique });
        expect(snapshot.get(row.key)).toEqual(row);
      }
    }
  });
}

/** Does the same to both stores; they have to answer and to look alike. */
class Step implements fc.AsyncCommand<object, Stores> {
  constructor(
    private readonly name: string,
    private readonly act: (store: Store, stores: Stores) => Promise<unknown>,
    private readonly pageSize = 3,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_model: object, stores: Stores): Promise<void> {
    const expected = await this.act(stores.memory, stores);
    expect(await this.act(stores.sqlite, stores)).toEqual(expected);
    const seen = stores.memory.read((snapshot) => everything(snapshot, this.pageSize));
    expect(stores.sqlite.read((snapshot) => everything(snapshot, this.pageSize))).toEqual(seen);
    holdsInvariants(stores.memory);
  }

  toString(): string {
    return this.name;
  }
}

class CommitTogether extends Step {
  constructor(plans: readonly Plan[], pageSize: number) {
    let batches: Batch[] = [];
    super(
      `commit together ${JSON.stringify(plans)}`,
      (store, { memory }) => {
        // Made once, from what is there before the first store changes.
        if (store === memory) batches = plans.map((plan) => toBatch(plan, memory));
        return Promise.all(batches.map((batch) => store.commit(batch)));
      },
      pageSize,
    );
  }
}

class Reopen implements fc.AsyncCommand<object, Stores> {
  check(): boolean {
    return true;
  }

  async run(_model: object, stores: Stores): Promise<void> {
    await stores.sqlite[Symbol.asyncDispose]();
    stores.sqlite = await openSqliteStore({ path: stores.path, durability: 'NORMAL' });
  }

  toString(): string {
    return 'reopen';
  }
}

const commits = fc
  .tuple(fc.array(plans, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 4 }))
  .map(([together, pageSize]) => new CommitTogether(together, pageSize));
const commands = [
  commits,
  commits,
  commits,
  fc
    .array(fc.integer({ min: 1, max: 40 }), { maxLength: 6 })
    .map((sequences) => new Step(`mark ${sequences} published`, (store) => store.markPublished(sequences))),
  fc
    .record({ revision: fc.integer({ min: 0, max: 30 }), limit: fc.integer({ min: 1, max: 2 }) })
    .map(
      ({ revision, limit }) =>
        new Step(`forget ${limit} answers before ${revision}`, (store) =>
          store.forgetAnswersBefore(revision, limit),
        ),
    ),
  fc.constant(new Reopen()),
];

let run = 0;

// A failure prints the seed and the replay path, to be given to fc.assert and fc.commands.
it('the SQLite store answers and reads as the memory store does, whatever is done to both', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 25 }), async (sequence) => {
      const path = join(folder, `${run++}.sqlite`);
      const stores: Stores = {
        path,
        memory: openMemoryStore(),
        sqlite: await openSqliteStore({ path, durability: 'NORMAL' }),
      };
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: stores }), sequence);
      } finally {
        await stores.memory[Symbol.asyncDispose]();
        await stores.sqlite[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 80 },
  );
}, 60_000);
