import { AppError, type Code } from '@outboard/core';

interface Diagnosis {
  readonly code: Code;
  readonly reason: string;
  readonly advice: string;
}

const RESTORE =
  'stop the service, move the file and those beside it away (keep them for inspection), and restore a backup (restore-store)';

/** Primary result codes (sqlite.org/rescode.html), the longest prefix first. */
const DIAGNOSES: readonly (readonly [prefix: string, Diagnosis])[] = [
  [
    'SQLITE_FULL',
    { code: 'UNAVAILABLE', reason: 'DATABASE_FULL', advice: 'the disk is full; free space and retry' },
  ],
  [
    'SQLITE_IOERR',
    { code: 'UNAVAILABLE', reason: 'DATABASE_IO_ERROR', advice: 'the disk failed; look at the kernel log' },
  ],
  [
    'SQLITE_BUSY',
    {
      code: 'UNAVAILABLE',
      reason: 'DATABASE_BUSY',
      advice: 'another program holds a lock on it; close that program and retry',
    },
  ],
  [
    'SQLITE_CANTOPEN',
    {
      code: 'FAILED_PRECONDITION',
      reason: 'DATABASE_CANNOT_BE_OPENED',
      advice: 'make the file and its folder readable and writable for this user',
    },
  ],
  [
    'SQLITE_READONLY',
    {
      code: 'FAILED_PRECONDITION',
      reason: 'DATABASE_READ_ONLY',
      advice: 'make the file, its folder and its file system writable',
    },
  ],
  ['SQLITE_CORRUPT', { code: 'DATA_LOSS', reason: 'DATABASE_CORRUPT', advice: RESTORE }],
  [
    'SQLITE_NOTADB',
    {
      code: 'FAILED_PRECONDITION',
      reason: 'NOT_A_STORE',
      advice: 'it is no SQLite database; give another path or restore a backup',
    },
  ],
];

/** What SQLite threw, as an error that says what to do; anything else stays as it is. */
export function fromSqlite(thrown: unknown, path: string): unknown {
  const failure = sqliteErrorIn(thrown);
  if (!failure) return thrown;
  const diagnosis = DIAGNOSES.find(([prefix]) => failure.code.startsWith(prefix))?.[1];
  if (!diagnosis) return new AppError('INTERNAL', `database ${path}: ${failure.message}`, { cause: thrown });
  return new AppError(
    diagnosis.code,
    `database ${path} cannot be used (${failure.message}): ${diagnosis.advice}`,
    { reason: diagnosis.reason, metadata: { path, sqlite: failure.code }, cause: thrown },
  );
}

interface SqliteFailure {
  /** Extended result code by name, such as SQLITE_IOERR_WRITE. */
  readonly code: string;
  readonly message: string;
}

/** What SQLite threw, also where TypeORM has wrapped it. */
export function sqliteErrorIn(thrown: unknown): SqliteFailure | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  // By name, not by class: the native module knows one class per process, however often its JavaScript is loaded.
  if ('name' in thrown && thrown.name === 'SqliteError') return thrown as unknown as SqliteFailure;
  return 'driverError' in thrown ? sqliteErrorIn(thrown.driverError) : undefined;
}

export function readOnlyError(path: string, cause: unknown): AppError {
  return new AppError(
    'FAILED_PRECONDITION',
    `database ${path} cannot be written: make the file, its folder and its file system writable`,
    { reason: 'DATABASE_READ_ONLY', metadata: { path }, cause },
  );
}

export function inUseError(path: string, cause: unknown): AppError {
  return new AppError(
    'FAILED_PRECONDITION',
    `database ${path} is open in another process or twice in this one: a store has one writer; end the other one`,
    { reason: 'DATABASE_IN_USE', metadata: { path }, cause },
  );
}

export function corruptError(path: string, problems: readonly string[]): AppError {
  return new AppError('DATA_LOSS', `database ${path} cannot be used (it is corrupted): ${RESTORE}`, {
    reason: 'DATABASE_CORRUPT',
    metadata: { path, problems: problems.join('; ') },
  });
}

export function foreignError(path: string): AppError {
  return new AppError(
    'FAILED_PRECONDITION',
    `database ${path} was made by another program: give another path`,
    { reason: 'NOT_A_STORE', metadata: { path } },
  );
}

export function tooNewError(path: string, migration: string): AppError {
  return new AppError(
    'FAILED_PRECONDITION',
    `database ${path} was written by a newer version (migration ${migration} is unknown here): ` +
      'run that version, or restore a backup that was taken before the upgrade',
    { reason: 'SCHEMA_TOO_NEW', metadata: { path, migration } },
  );
}
