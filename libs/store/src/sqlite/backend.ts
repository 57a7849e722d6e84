import Database from 'better-sqlite3';
import type { DataSource } from 'typeorm';
import type { Backend, Change, Outcome } from '../group-commit-store.js';
import type { Snapshot } from '../port.js';
import { BUSY_MILLISECONDS } from './connection.js';
import { type Durability, endEpochUse } from './epoch.js';
import { fromSqlite } from './errors.js';
import { SqliteSnapshot } from './snapshot.js';
import { ThreadedWriter } from './threaded-writer.js';
import { SqliteWriter } from './writer.js';

/**
 * When a thread of its own writes. `when-busy`: from the first large group on, as a thread costs memory, and a group of
 * one commit a little time; `always`: from the start.
 */
export type WriterThread = 'when-busy' | 'always';

/** Estimated bytes of a group that takes long enough to write (some 5 ms) for other work to be done meanwhile. */
const LARGE_GROUP_BYTES = 256 * 1024;

export interface SqliteBackendOptions {
  readonly path: string;
  readonly durability: Durability;
  readonly epoch: string;
  /** TypeORM's connection, and the driver's handle in it. */
  readonly source: DataSource;
  readonly connection: Database.Database;
  /** That makes this process the only writer. */
  readonly lock: Disposable;
}

/** A SQLite file: a connection that reads, and one that writes, here or on a thread. */
export class SqliteBackend implements Backend {
  readonly #options: SqliteBackendOptions;
  readonly #writer: SqliteWriter;
  readonly #reader: Database.Database;
  readonly #beginRead: Database.Statement;
  readonly #endRead: Database.Statement;
  readonly #snapshot: SqliteSnapshot;
  #thread: ThreadedWriter | undefined;
  #starting: Promise<void> | undefined;

  constructor(options: SqliteBackendOptions) {
    this.#options = options;
    this.#writer = new SqliteWriter(options.connection);
    this.#reader = new Database(options.path, {
      readonly: true,
      fileMustExist: true,
      timeout: BUSY_MILLISECONDS,
    });
    this.#beginRead = this.#reader.prepare('BEGIN DEFERRED');
    this.#endRead = this.#reader.prepare('COMMIT');
    this.#snapshot = new SqliteSnapshot(this.#reader);
  }

  get epoch(): string {
    return this.#options.epoch;
  }

  /** From when this resolves on a thread writes, if one can be started: it is faster, and nothing else. */
  startThread(): Promise<void> {
    const { path, durability } = this.#options;
    this.#starting ??= ThreadedWriter.start({ path, durability }).then(
      (thread) => {
        this.#thread = thread;
      },
      () => {},
    );
    return this.#starting;
  }

  write(changes: readonly Change[], bytes: number): readonly Outcome[] | Promise<readonly Outcome[]> {
    if (this.#thread && !this.#thread.isDead) return this.#thread.write(changes);
    if (bytes >= LARGE_GROUP_BYTES) void this.startThread();
    try {
      return this.#writer.write(changes);
    } catch (thrown) {
      throw fromSqlite(thrown, this.#options.path);
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
      throw fromSqlite(thrown, this.#options.path);
    }
  }

  async close(): Promise<void> {
    const { connection, source, lock } = this.#options;
    await this.#starting;
    await this.#thread?.close();
    this.#reader.close();
    try {
      endEpochUse(connection);
    } catch {
      // The mark stays: at worst there is a new epoch without need.
    } finally {
      await source.destroy();
      lock[Symbol.dispose]();
    }
  }
}
