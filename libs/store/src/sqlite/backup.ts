import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { AppError, type Clock, type Random, systemClock, systemRandom, uuidv7 } from '@outboard/core';
import Database from 'better-sqlite3';
import { fromSqlite } from './errors.js';
import { canonicalPath, ensureWritable, inspect } from './inspect.js';
import { lockForWriting } from './lock.js';

interface Sources {
  readonly clock?: Clock;
  readonly random?: Random;
}

/** What a whole store has in it. */
export interface StoreSummary {
  readonly epoch: string;
  readonly revision: number;
  readonly rows: number;
}

/**
 * Reads all of a database, its indexes too, while its service may be running (in another process: it takes seconds for
 * some hundred megabytes).
 * @throws AppError DATA_LOSS when it is damaged, with what was found in `metadata.problems`; NOT_FOUND; FAILED_PRECONDITION
 *   when it is no store or a newer version's
 */
export async function checkSqliteStore(options: { path: string }): Promise<StoreSummary> {
  const path = existingPath(options.path);
  inspect(path, 'thorough');
  const database = new Database(path, { readonly: true, fileMustExist: true });
  try {
    const summary = database
      .prepare<[], StoreSummary>(
        'SELECT epoch, revision, (SELECT count(*) FROM stored_row) AS "rows" FROM store_state',
      )
      .get();
    if (summary) return summary;
    throw neverOpenedError(path);
  } catch (thrown) {
    throw fromSqlite(thrown, path);
  } finally {
    database.close();
  }
}

/**
 * Copies a store as it is at this moment into a new file, while its service may be running and writing (in another
 * process: the copying itself is synchronous).
 * @throws AppError ALREADY_EXISTS when the destination exists; errors of a damaged or missing database
 */
export async function backupSqliteStore(options: { path: string; destination: string }): Promise<void> {
  const path = existingPath(options.path);
  const destination = newPath(options.destination);
  inspect(path);
  copy(path, destination);
}

/**
 * Makes a store out of a backup, under a new epoch: what happened after the backup is unknown to it, so its revisions
 * and sequences must not be compared with those that others remember. Returns the new epoch.
 * @throws AppError ALREADY_EXISTS when there is a database at `path` (move it away first); errors of a damaged backup
 */
export async function restoreSqliteStore(
  options: { backup: string; path: string } & Sources,
): Promise<string> {
  const backup = existingPath(options.backup);
  const path = newPath(options.path);
  const lock = lockForWriting(path);
  try {
    inspect(backup);
    const unfinished = `${path}.restoring`;
    for (const suffix of BESIDE) rmSync(unfinished + suffix, { force: true });
    copy(backup, unfinished);
    const epoch = writeNewEpoch(unfinished, options);
    renameSync(unfinished, path);
    flush(dirname(path));
    return epoch;
  } finally {
    lock[Symbol.dispose]();
  }
}

/**
 * Gives a store that was put back by other means (a copied file, a volume's snapshot) its new epoch. Returns it.
 * @throws AppError FAILED_PRECONDITION when a service has it open; errors of a damaged or missing database
 */
export async function renewEpoch(options: { path: string } & Sources): Promise<string> {
  const path = existingPath(options.path);
  ensureWritable(path);
  const lock = lockForWriting(path);
  try {
    inspect(path);
    return writeNewEpoch(path, options);
  } finally {
    lock[Symbol.dispose]();
  }
}

function existingPath(path: string): string {
  if (existsSync(path)) return canonicalPath(path);
  throw new AppError('NOT_FOUND', `there is no database ${path}`, { metadata: { path } });
}

/** SQLite would take what lies beside a database as a part of it, and write it into a copy that it does not belong to. */
const BESIDE = ['', '-wal', '-shm', '-journal'];

function newPath(path: string): string {
  const existing = BESIDE.map((suffix) => path + suffix).find((file) => existsSync(file));
  if (existing === undefined) return canonicalPath(path);
  throw new AppError('ALREADY_EXISTS', `${existing} exists already: move it away first`, {
    metadata: { path: existing },
  });
}

function copy(from: string, to: string): void {
  let source: Database.Database | undefined;
  try {
    closeSync(openSync(to, 'wx', 0o600));
    source = new Database(from, { readonly: true, fileMustExist: true });
    source.prepare('VACUUM INTO ?').run(to);
    flush(to);
    flush(dirname(to));
  } catch (thrown) {
    rmSync(to, { force: true });
    throw fromSqlite(thrown, from);
  } finally {
    source?.close();
  }
}

function writeNewEpoch(path: string, { clock = systemClock, random = systemRandom }: Sources): string {
  const epoch = uuidv7(clock.now(), random);
  const database = new Database(path, { fileMustExist: true });
  try {
    database.pragma('synchronous = FULL');
    const { changes } = database
      .prepare('UPDATE store_state SET epoch = ?, unflushed_since_boot = NULL')
      .run(epoch);
    if (changes === 1) return epoch;
    throw neverOpenedError(path);
  } catch (thrown) {
    throw fromSqlite(thrown, path);
  } finally {
    database.close();
  }
}

const neverOpenedError = (path: string): AppError =>
  new AppError('FAILED_PRECONDITION', `${path} has no state: it was never opened as a store`, {
    reason: 'NOT_A_STORE',
    metadata: { path },
  });

function flush(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}
