import { type Clock, type Random, systemClock, systemRandom, uuidv7 } from '@outboard/core';
import Database from 'better-sqlite3';
import { DataSource } from 'typeorm';
import { type Backend, type Change, GroupCommitStore, type Outcome } from '../group-commit-store.js';
import type { Snapshot, Store } from '../port.js';
import { ENTITIES } from './entities.js';
import { beginEpochUse, type Durability, endEpochUse } from './epoch.js';
import { fromSqlite } from './errors.js';
import { APPLICATION_ID, canonicalPath, ensureWritable, inspect } from './inspect.js';
import { lockForWriting } from './lock.js';
import { MIGRATION_TABLE, MIGRATIONS } from './migrations.js';
import { SqliteSnapshot } from './snapshot.js';
import { SqliteWriter } from './writer.js';

export interface SqliteStoreOptions {
  /** The database file; made when it is not there, with its folder. */
  readonly path: string;
  readonly durability: Durability;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** How long a statement waits for a lock of another program (a shell of `sqlite3`, say); it blocks the process. */
const BUSY_MILLISECONDS = 1_000;
/** Between two checkpoints, pages of 4 KiB: each is a pause of some 15 ms, and saves rewriting what changes often. */
const CHECKPOINT_PAGES = 4_000;
/** What the writer keeps of the database in memory, KiB: its indexes, which every commit touches all over. */
const CACHE_KIBIBYTES = 32 * 1024;
/** The write-ahead log is cut back to this after a burst. */
const LOG_BYTES_KEPT = 64 * 1024 * 1024;

/**
 * Opens a store in a SQLite file, migrating it to the newest schema.
 * @throws AppError FAILED_PRECONDITION when the file is in use by another writer (DATABASE_IN_USE), not writable
 *   (DATABASE_READ_ONLY), not a store (NOT_A_STORE) or a newer version's (SCHEMA_TOO_NEW); DATA_LOSS when it is
 *   corrupted (DATABASE_CORRUPT); UNAVAILABLE when the disk is full or broken
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const { durability, clock = systemClock, random = systemRandom } = options;
  const path = writablePath(options.path);
  const lock = lockForWriting(path);
  let schema: DataSource | undefined;
  try {
    inspect(path);
    const { source, connection } = await openWriter(path);
    schema = source;
    await source.runMigrations({ transaction: 'each' });
    const epoch = beginEpochUse(connection, durability, uuidv7(clock.now(), random));
    return new GroupCommitStore(new SqliteBackend(path, lock, source, connection, epoch));
  } catch (thrown) {
    if (schema?.isInitialized) await schema.destroy();
    lock[Symbol.dispose]();
    throw fromSqlite(thrown, path);
  }
}

function writablePath(given: string): string {
  const path = canonicalPath(given);
  ensureWritable(path);
  return path;
}

/** TypeORM's connection with the driver's handle, which the hot path uses. */
async function openWriter(path: string): Promise<{ source: DataSource; connection: Database.Database }> {
  let connection: Database.Database | undefined;
  const source = new DataSource({
    type: 'better-sqlite3',
    database: path,
    driver: Database,
    timeout: BUSY_MILLISECONDS,
    entities: ENTITIES,
    migrations: MIGRATIONS,
    migrationsTableName: MIGRATION_TABLE,
    synchronize: false,
    prepareDatabase: (handle: Database.Database) => {
      connection = handle;
      if (handle.pragma('application_id', { simple: true }) !== APPLICATION_ID) {
        handle.pragma(`application_id = ${APPLICATION_ID}`);
      }
      handle.pragma('journal_mode = WAL');
      handle.pragma('synchronous = FULL');
      handle.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
      handle.pragma(`cache_size = -${CACHE_KIBIBYTES}`);
      handle.pragma(`journal_size_limit = ${LOG_BYTES_KEPT}`);
    },
  });
  try {
    await source.initialize();
  } catch (thrown) {
    connection?.close();
    throw thrown;
  }
  if (!connection) throw new Error('invariant violated: TypeORM hands out the connection that it made');
  return { source, connection };
}

class SqliteBackend implements Backend {
  readonly epoch: string;
  readonly #path: string;
  readonly #lock: Disposable;
  readonly #source: DataSource;
  readonly #connection: Database.Database;
  readonly #writer: SqliteWriter;
  readonly #reader: Database.Database;
  readonly #beginRead: Database.Statement;
  readonly #endRead: Database.Statement;
  readonly #snapshot: SqliteSnapshot;

  constructor(
    path: string,
    lock: Disposable,
    source: DataSource,
    connection: Database.Database,
    epoch: string,
  ) {
    this.epoch = epoch;
    this.#path = path;
    this.#lock = lock;
    this.#source = source;
    this.#connection = connection;
    this.#writer = new SqliteWriter(connection);
    this.#reader = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_MILLISECONDS });
    this.#beginRead = this.#reader.prepare('BEGIN DEFERRED');
    this.#endRead = this.#reader.prepare('COMMIT');
    this.#snapshot = new SqliteSnapshot(this.#reader);
  }

  write(changes: readonly Change[]): readonly Outcome[] {
    try {
      return this.#writer.write(changes);
    } catch (thrown) {
      throw fromSqlite(thrown, this.#path);
    }
  }

  /** A read within a read sees the snapshot of the outer one. */
  read<Value>(query: (view: Snapshot) => Value): Value {
    if (this.#reader.inTransaction) return query(this.#snapshot);
    try {
      this.#beginRead.run();
      try {
        return query(this.#snapshot);
      } finally {
        this.#endRead.run();
      }
    } catch (thrown) {
      throw fromSqlite(thrown, this.#path);
    }
  }

  async close(): Promise<void> {
    this.#reader.close();
    try {
      endEpochUse(this.#connection);
    } catch {
      // The mark stays: at worst there is a new epoch without need.
    } finally {
      await this.#source.destroy();
      this.#lock[Symbol.dispose]();
    }
  }
}
