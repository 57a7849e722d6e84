import { type Random, systemClock, systemRandom, uuidv7 } from '@outboard/core';
import Database from 'better-sqlite3';
import { DataSource } from 'typeorm';
import { type GroupCommitOptions, GroupCommitStore } from '../group-commit-store.js';
import type { Store } from '../port.js';
import { SqliteBackend, type WriterThread } from './backend.js';
import { BUSY_MILLISECONDS, configureWriter } from './connection.js';
import { ENTITIES } from './entities.js';
import { beginEpochUse, type Durability } from './epoch.js';
import { fromSqlite } from './errors.js';
import { APPLICATION_ID, canonicalPath, ensureWritable, inspect } from './inspect.js';
import { lockForWriting } from './lock.js';
import { MIGRATION_TABLE, MIGRATIONS } from './migrations.js';

export interface SqliteStoreOptions extends Pick<GroupCommitOptions, 'clock' | 'onProblem'> {
  /** The database file; made when it is not there, with its folder. */
  readonly path: string;
  readonly durability: Durability;
  /** Default `when-busy`. */
  readonly thread?: WriterThread;
  readonly random?: Random;
}

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
    const backend = new SqliteBackend({ path, durability, epoch, source, connection, lock });
    if (options.thread === 'always') await backend.startThread();
    return new GroupCommitStore(backend, {
      clock,
      ...(options.onProblem && { onProblem: options.onProblem }),
    });
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
      configureWriter(handle);
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
