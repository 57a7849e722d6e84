import type Database from 'better-sqlite3';

/** How long a statement waits for a lock of another program (a shell of `sqlite3`, say); it blocks its thread. */
export const BUSY_MILLISECONDS = 1_000;
/** Between two checkpoints, pages of 4 KiB: each is a pause of some 15 ms, and saves rewriting what changes often. */
const CHECKPOINT_PAGES = 4_000;
/** What a writer keeps of the database in memory, KiB: its indexes, which every commit touches all over. */
const CACHE_KIBIBYTES = 32 * 1024;
/** The write-ahead log is cut back to this after a burst. */
const LOG_BYTES_KEPT = 64 * 1024 * 1024;

/** Makes a connection one that writes a store, flushing every commit until it is told not to. */
export function configureWriter(connection: Database.Database): void {
  connection.pragma('journal_mode = WAL');
  connection.pragma('synchronous = FULL');
  connection.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  connection.pragma(`cache_size = -${CACHE_KIBIBYTES}`);
  connection.pragma(`journal_size_limit = ${LOG_BYTES_KEPT}`);
}
