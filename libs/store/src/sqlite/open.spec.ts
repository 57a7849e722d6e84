import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import Database from 'better-sqlite3';
import { DataSource } from 'typeorm';
import { openedStores } from '../../test/opened-stores.js';
import { indexEntry, newBatch, newMessage, newRow, portKey } from '../contract-suite.js';
import type { Store } from '../port.js';
import { ENTITIES } from './entities.js';
import { APPLICATION_ID } from './inspect.js';
import { MIGRATION_TABLE, MIGRATIONS } from './migrations.js';

const openStore = openedStores();
const folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let number = 0;
let path = '';
beforeEach(() => {
  path = join(folder, `${number++}.sqlite`);
});

const open = (durability: 'NORMAL' | 'FULL' = 'NORMAL'): Promise<Store> => openStore({ path, durability });

/** Works on the file as another program would. */
function withDatabase<Value>(work: (database: Database.Database) => Value, file = path): Value {
  const database = new Database(file);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

async function fill(rows: number): Promise<void> {
  const store = await open();
  for (let at = 0; at < rows; at++) {
    unwrap(
      await store.commit(
        newBatch({
          puts: [newRow(portKey(`p${at}`), 'x'.repeat(1_000), indexEntry('port.network', 'blue'))],
          outbox: [newMessage(`m${at}`)],
        }),
      ),
    );
  }
  await store[Symbol.asyncDispose]();
}

describe('a store that is opened again', () => {
  it('has everything, counts on, and keeps its epoch', async () => {
    const first = await open();
    const epoch = first.epoch;
    const { revision } = unwrap(
      await first.commit(
        newBatch({
          puts: [newRow(portKey('web'), '1', indexEntry('port.network', 'blue'))],
          outbox: [newMessage('m1')],
          remember: [{ messageId: 'id', fingerprint: 'f', answer: '{}' }],
        }),
      ),
    );
    const [message] = first.read((snapshot) => snapshot.pendingMessages(1));
    await first.markPublished([message?.sequence ?? 0]);
    await first[Symbol.asyncDispose]();

    const second = await open('FULL');
    expect(second.epoch).toBe(epoch);
    second.read((snapshot) => {
      expect(snapshot.revision).toBe(revision);
      expect(snapshot.get(portKey('web'))?.revision).toBe(revision);
      expect(snapshot.find('port.network', 'blue', 10)).toHaveLength(1);
      expect(snapshot.remembered('id')?.answer).toBe('{}');
      expect(snapshot.pendingMessages(10)).toEqual([]);
    });
    expect(unwrap(await second.commit(newBatch({ outbox: [newMessage('m2')] }))).revision).toBe(revision + 1);
    const [next] = second.read((snapshot) => snapshot.pendingMessages(1));
    expect(next?.sequence).toBe((message?.sequence ?? 0) + 1);
  });

  it('is made with its folder, for its owner only', async () => {
    path = join(folder, 'new', 'folder', 'store.sqlite');
    await open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  });
});

describe('the epoch', () => {
  /** What a machine that lost its power at this moment would find, were the disk quick: no close, no last flush. */
  const crashedCopy = (): string => {
    const copy = `${path}.crashed`;
    for (const suffix of ['', '-wal']) copyFileSync(path + suffix, copy + suffix);
    return copy;
  };
  const pretendOtherBoot = (file: string): number =>
    withDatabase(
      (database) =>
        database
          .prepare(
            `UPDATE store_state SET unflushed_since_boot = 'another' WHERE unflushed_since_boot IS NOT NULL`,
          )
          .run().changes,
      file,
    );

  it('is new when commits that were not flushed may have been lost with the machine', async () => {
    const store = await open('NORMAL');
    await store.commit(newBatch({ puts: [newRow(portKey('web'))] }));
    const crashed = crashedCopy();
    expect(pretendOtherBoot(crashed)).toBe(1);
    const recovered = await openStore({ path: crashed, durability: 'NORMAL' });
    expect(recovered.epoch).not.toBe(store.epoch);
    expect(recovered.read((snapshot) => snapshot.get(portKey('web')))).toBeDefined();
  });

  it('stays when only the process died', async () => {
    const store = await open('NORMAL');
    await store.commit(newBatch({ puts: [newRow(portKey('web'))] }));
    const recovered = await openStore({ path: crashedCopy(), durability: 'NORMAL' });
    expect(recovered.epoch).toBe(store.epoch);
  });

  it('stays when the machine died and every commit was flushed', async () => {
    const store = await open('FULL');
    await store.commit(newBatch({ puts: [newRow(portKey('web'))] }));
    const crashed = crashedCopy();
    expect(pretendOtherBoot(crashed)).toBe(0);
    const recovered = await openStore({ path: crashed, durability: 'FULL' });
    expect(recovered.epoch).toBe(store.epoch);
  });

  it('stays over a clean shutdown and a new boot', async () => {
    const first = await open('NORMAL');
    await first[Symbol.asyncDispose]();
    expect(pretendOtherBoot(path)).toBe(0);
    const second = await open('NORMAL');
    expect(second.epoch).toBe(first.epoch);
  });
});

describe('a second writer', () => {
  const inUse = { code: 'FAILED_PRECONDITION', reason: 'DATABASE_IN_USE' };

  it('is refused, by whatever name it opens the database, and the first goes on', async () => {
    const store = await open();
    await expect(open()).rejects.toMatchObject({ ...inUse, message: expect.stringContaining(path) });
    const link = `${path}.link`;
    symlinkSync(path, link);
    await expect(openStore({ path: link, durability: 'NORMAL' })).rejects.toMatchObject(inUse);
    expect((await store.commit(newBatch({ puts: [newRow(portKey('web'))] }))).ok).toBe(true);
  });

  it('is welcome once the first has closed', async () => {
    await (await open())[Symbol.asyncDispose]();
    await open();
  });
});

describe('migrations', () => {
  const source = (count: number): DataSource =>
    new DataSource({
      type: 'better-sqlite3',
      database: path,
      driver: Database,
      entities: ENTITIES,
      migrations: MIGRATIONS.slice(0, count),
      migrationsTableName: MIGRATION_TABLE,
      prepareDatabase: (database: Database.Database) => {
        database.pragma(`application_id = ${APPLICATION_ID}`);
      },
    });
  const atVersion = async (count: number): Promise<void> => {
    const older = await source(count).initialize();
    await older.runMigrations({ transaction: 'each' });
    await older.destroy();
  };
  const applied = (): number =>
    withDatabase(
      (database) =>
        database.prepare<[], number>(`SELECT count(*) FROM ${MIGRATION_TABLE}`).pluck().get() ?? 0,
    );

  it('bring an empty file to exactly the schema that the entities declare', async () => {
    await (await open())[Symbol.asyncDispose]();
    expect(applied()).toBe(MIGRATIONS.length);
    const current = await source(MIGRATIONS.length).initialize();
    const { upQueries } = await current.driver.createSchemaBuilder().log();
    await current.destroy();
    expect(upQueries).toEqual([]);
  });

  it('keep every row of the first released schema', async () => {
    await atVersion(1);
    withDatabase((database) => {
      database.exec(`INSERT INTO store_state VALUES (1, 'epoch-1', 300, 200, NULL)`);
      database.exec(`
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO stored_row (kind, tenant, name, revision, value, indexes)
        SELECT 'Port', 'acme', 'p' || i, i, '{}', '[["port.network","blue",0]]' FROM n`);
      database.exec(`
        INSERT INTO index_entry SELECT 'port.network', 'blue', kind, tenant, name, 0 FROM stored_row`);
      database.exec(`
        INSERT INTO outbox_message SELECT id, 'm' || id, 'event', '{}', x'00' FROM stored_row WHERE id <= 200`);
    });
    const store = await open();
    expect(applied()).toBe(MIGRATIONS.length);
    expect(store.epoch).toBe('epoch-1');
    store.read((snapshot) => {
      expect(snapshot.revision).toBe(300);
      expect(snapshot.list('Port', { limit: 1000 }).rows).toHaveLength(300);
      expect(snapshot.find('port.network', 'blue', 1000)).toHaveLength(300);
      expect(snapshot.pendingMessages(1000)).toHaveLength(200);
    });
    const committed = await store.commit(
      newBatch({ remember: [{ messageId: 'id', fingerprint: 'f', answer: '{}' }] }),
    );
    expect(unwrap(committed).revision).toBe(301);
  });

  it('keep every answer that was given, in its order', async () => {
    await atVersion(3);
    withDatabase((database) => {
      database.exec(`INSERT INTO store_state VALUES (1, 'epoch-1', 300, 0, NULL)`);
      database.exec(`
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
        INSERT INTO remembered_answer SELECT i, 'm' || (1000 - i), 'f', '{}' FROM n`);
    });
    const store = await open();
    expect(await store.forgetAnswersBefore(200, 100)).toBe(100);
    expect(await store.forgetAnswersBefore(200, 1000)).toBe(99);
    const left = store.read((snapshot) =>
      [1, 199, 200, 300].map((revision) => snapshot.remembered(`m${1000 - revision}`)?.fingerprint),
    );
    expect(left).toEqual([undefined, undefined, 'f', 'f']);
  });

  it.each(MIGRATIONS.map((_, count) => count))(
    'go on where an upgrade was interrupted: after %d',
    async (count) => {
      await atVersion(count);
      const store = await open();
      expect(applied()).toBe(MIGRATIONS.length);
      expect((await store.commit(newBatch({ puts: [newRow(portKey('web'))] }))).ok).toBe(true);
    },
  );

  it('of a newer version are refused by name, and the file stays as it is', async () => {
    await fill(1);
    const insert = `INSERT INTO ${MIGRATION_TABLE} (timestamp, name) VALUES (1999999999999, 'Later1999999999999')`;
    withDatabase((database) => database.exec(insert));
    await expect(open()).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'SCHEMA_TOO_NEW',
      message: expect.stringMatching(/Later1999999999999.*run that version/),
    });
    expect(applied()).toBe(MIGRATIONS.length + 1);
  });
});

describe('a file that is no sound store', () => {
  const overwrite = (offset: number, bytes: Uint8Array): void => {
    const file = openSync(path, 'r+');
    writeSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
  };

  it('is refused with what to do when a page is damaged', async () => {
    await fill(200);
    const page = withDatabase((database) =>
      database
        .prepare<[], number>(
          `SELECT pageno FROM dbstat WHERE name = 'stored_row' AND pagetype = 'leaf' LIMIT 1 OFFSET 20`,
        )
        .pluck()
        .get(),
    );
    expect(page).toBeGreaterThan(20);
    overwrite(((page ?? 0) - 1) * 4096, new Uint8Array(4096).fill(0xa5));
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_LOSS',
      reason: 'DATABASE_CORRUPT',
      message: expect.stringMatching(/cannot be used .*: stop the service.*restore a backup/),
    });
  });

  it('is refused when its pages are sound and its rows are not', async () => {
    await fill(3);
    withDatabase((database) => {
      const schema = `UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE name = 'stored_row'`;
      database.unsafeMode();
      database.pragma('writable_schema = ON');
      database.prepare(schema).run('"value" text NOT NULL', '"value" text         ');
      database.pragma('writable_schema = RESET');
      database.exec(`UPDATE stored_row SET value = NULL WHERE name = 'p1'`);
      database.pragma('writable_schema = ON');
      database.prepare(schema).run('"value" text         ', '"value" text NOT NULL');
    });
    await expect(open()).rejects.toMatchObject({
      code: 'DATA_LOSS',
      reason: 'DATABASE_CORRUPT',
      metadata: { path, problems: 'NULL value in stored_row.value' },
    });
  });

  it('is refused when it is cut off', async () => {
    await fill(200);
    const half = `${path}.half`;
    copyFileSync(path, half);
    const file = openSync(half, 'r+');
    ftruncateSync(file, Math.floor(statSync(half).size / 2 / 4096) * 4096);
    closeSync(file);
    await expect(openStore({ path: half, durability: 'NORMAL' })).rejects.toMatchObject({
      code: 'DATA_LOSS',
    });
  });

  it('is refused when it is no database', async () => {
    writeFileSync(path, 'kind: Port\n'.repeat(1000));
    await expect(open()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'NOT_A_STORE' });
  });

  it("is refused when it is another program's database, and stays as it is", async () => {
    withDatabase((database) => database.exec('CREATE TABLE theirs (id integer)'));
    await expect(open()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'NOT_A_STORE' });
    expect(withDatabase((database) => database.pragma('journal_mode', { simple: true }))).toBe('delete');
  });

  it('is refused when the path is a folder', async () => {
    path = folder;
    await expect(open()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });

  it('does not keep the lock: a sound file at the same path opens', async () => {
    writeFileSync(path, 'no database'.repeat(1000));
    await expect(open()).rejects.toMatchObject({ reason: 'NOT_A_STORE' });
    rmSync(path);
    await open();
  });

  it('damaged while it is open, makes reads and commits fail with DATA_LOSS instead of wrong answers', async () => {
    await fill(300);
    const store = await open();
    // Behind the first pages, which the connections have in their caches already.
    const size = statSync(path).size;
    overwrite(4096 * 6, new Uint8Array(size - 4096 * 6).fill(0xa5));
    const read = () => store.read((snapshot) => snapshot.list('Port', { limit: 1000 }));
    expect(read).toThrow(expect.objectContaining({ code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' }));
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        store.commit(newBatch({ puts: [newRow(portKey(`p${at * 5}`))] })),
      ),
    );
    expect(results[0]).toMatchObject({
      error: { kind: 'unavailable', error: { code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT' } },
    });
  });
});
