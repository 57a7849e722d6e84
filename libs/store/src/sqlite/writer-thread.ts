import { parentPort, workerData } from 'node:worker_threads';
import { AppError, type AppErrorDetails, type Code } from '@outboard/core';
import Database from 'better-sqlite3';
import type { Change, Outcome } from '../group-commit-store.js';
import { BUSY_MILLISECONDS, configureWriter } from './connection.js';
import type { Durability } from './epoch.js';
import { fromSqlite } from './errors.js';
import { SqliteWriter } from './writer.js';

/** What this thread is started with. */
export interface WriterThreadData {
  readonly path: string;
  readonly durability: Durability;
}

/** A group of changes to write, or undefined: close the database and end. */
export type WriterThreadRequest = readonly Change[] | undefined;

/** What became of the last request; the first answer, without one, tells that the database is open. */
export type WriterThreadAnswer =
  | { readonly kind: 'open' }
  | { readonly kind: 'written'; readonly outcomes: readonly Outcome[] }
  /** Nothing was written. An error's own fields do not survive the way between threads. */
  | ({ readonly kind: 'failed'; readonly code: Code; readonly message: string } & Pick<
      AppErrorDetails,
      'reason' | 'metadata'
    >)
  /** Nothing was written, because of a bug. */
  | { readonly kind: 'thrown'; readonly thrown: unknown };

const { path, durability } = workerData as WriterThreadData;
const connection = new Database(path, { fileMustExist: true, timeout: BUSY_MILLISECONDS });
configureWriter(connection);
connection.pragma(`synchronous = ${durability}`);
const writer = new SqliteWriter(connection);

const answer = (message: WriterThreadAnswer): void => parentPort?.postMessage(message);

parentPort?.on('message', (request: WriterThreadRequest) => {
  if (request) answer(write(request));
  else {
    connection.close();
    parentPort?.close();
  }
});
answer({ kind: 'open' });

function write(changes: readonly Change[]): WriterThreadAnswer {
  try {
    return { kind: 'written', outcomes: writer.write(changes) };
  } catch (thrown) {
    const failure = fromSqlite(thrown, path);
    if (!(failure instanceof AppError)) return { kind: 'thrown', thrown: failure };
    const { code, message, reason, metadata } = failure;
    return { kind: 'failed', code, message, metadata, ...(reason !== undefined && { reason }) };
  }
}
