import Database from 'better-sqlite3';
import { fromSqlite, inUseError, sqliteErrorIn } from './errors.js';

/**
 * Makes this process the only writer of a database until disposed or dead. It is a lock of the kernel on a file beside
 * the database (taken through SQLite, as Node has no file locks), so a killed process leaves nothing behind that would
 * have to be cleaned up; the empty file stays and means nothing.
 * The database's own exclusive locking mode would shut out our reading connection as well.
 * @throws AppError FAILED_PRECONDITION when someone else holds it
 */
export function lockForWriting(path: string): Disposable {
  let lock: Database.Database | undefined;
  try {
    lock = new Database(`${path}-lock`, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (thrown) {
    lock?.close();
    if (sqliteErrorIn(thrown)?.code.startsWith('SQLITE_BUSY')) throw inUseError(path, thrown);
    throw fromSqlite(thrown, path);
  }
  const held = lock;
  return { [Symbol.dispose]: () => held.close() };
}
