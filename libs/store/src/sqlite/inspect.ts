import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { corruptError, foreignError, fromSqlite, readOnlyError, tooNewError } from './errors.js';
import { MIGRATION_TABLE, MIGRATIONS } from './migrations.js';

/** In the header of every store (`PRAGMA application_id`): "OBST". */
export const APPLICATION_ID = 0x4f425354;

/** The path without symbolic links, so that the lock is the same one by whatever name the database is opened. */
export function canonicalPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return join(realpathSync(dirname(path)), basename(path));
}

/**
 * Creates the file for its owner only (it holds what tenants asked for), or sees that it may be written.
 * @throws AppError FAILED_PRECONDITION
 */
export function ensureWritable(path: string): void {
  try {
    accessSync(dirname(path), constants.R_OK | constants.W_OK);
    closeSync(openSync(path, 'a', 0o600));
  } catch (thrown) {
    throw readOnlyError(path, thrown);
  }
}

/**
 * Looks at an existing database without changing it; `thorough`: also whether its indexes fit its tables.
 * @throws AppError FAILED_PRECONDITION when it is no store or a newer version's, DATA_LOSS when it is damaged
 */
export function inspect(path: string, how: 'quick' | 'thorough' = 'quick'): void {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { readonly: true, fileMustExist: true });
    const tables = database
      .prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table'`)
      .pluck()
      .all();
    if (tables.length === 0) return;
    if (database.pragma('application_id', { simple: true }) !== APPLICATION_ID) throw foreignError(path);
    const check = how === 'quick' ? 'quick_check' : 'integrity_check';
    const problems = database.prepare<[], string>(`PRAGMA ${check}(10)`).pluck().all();
    if (problems.join() !== 'ok') throw corruptError(path, problems);
    if (tables.includes(MIGRATION_TABLE)) checkVersion(database, path);
  } catch (thrown) {
    throw fromSqlite(thrown, path);
  } finally {
    database?.close();
  }
}

function checkVersion(database: Database.Database, path: string): void {
  const known = new Set<string>(MIGRATIONS.map((Migration) => new Migration().name));
  const applied = database
    .prepare<[], string>(`SELECT name FROM "${MIGRATION_TABLE}" ORDER BY timestamp`)
    .pluck()
    .all();
  const unknown = applied.find((name) => !known.has(name));
  if (unknown !== undefined) throw tooNewError(path, unknown);
}
