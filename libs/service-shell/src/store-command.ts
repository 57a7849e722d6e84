import { join } from 'node:path';
import { AppError } from '@outboard/core';
import { backupSqliteStore, checkSqliteStore, renewEpoch, restoreSqliteStore } from '@outboard/store';
import { EnvironmentReader } from './environment.js';

interface StoreCommand {
  /** What follows its name; undefined: nothing. */
  readonly argument?: string;
  readonly what: string;
  /** What to tell when it is done. */
  run(path: string, file: string): Promise<string>;
}

const COMMANDS: Readonly<Record<string, StoreCommand>> = {
  'check-store': {
    what: 'read all of the database and tell whether it is whole; the service may be running',
    run: async (path) => {
      const { epoch, revision, rows } = await checkSqliteStore({ path });
      return `${path} is whole: epoch ${epoch}, revision ${revision}, ${rows} rows`;
    },
  },
  'backup-store': {
    argument: 'FILE',
    what: 'copy the database as it is now into a new file; the service may be running',
    run: async (path, destination) => {
      await backupSqliteStore({ path, destination });
      return `${path} is copied to ${destination}`;
    },
  },
  'restore-store': {
    argument: 'FILE',
    what: 'make the database from a copy that backup-store made; the service must not run, and its old files be moved away',
    run: async (path, backup) => {
      const epoch = await restoreSqliteStore({ backup, path });
      return `${path} is made from ${backup}: epoch ${epoch}`;
    },
  },
  'renew-epoch': {
    what: 'after the disk failed, or the file was put back by other means: the newest changes may be missing; the service must not run',
    run: async (path) => `${path} has a new epoch: ${await renewEpoch({ path })}`,
  },
};

const write = (stream: NodeJS.WriteStream, line: string): void => void stream.write(`${line}\n`);

/**
 * What an operator does with the database of a service, from the service's own program: checks, copies and restores it.
 * Takes the service's environment. Resolves with the exit code: 0 done, 1 refused or failed, 2 no such command.
 */
export async function runStoreCommand(
  service: string,
  name: string,
  words: readonly string[],
): Promise<number> {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command || words.length !== (command.argument === undefined ? 0 : 1)) {
    write(process.stderr, `usage: ${service} [COMMAND]; without one the service runs`);
    for (const [each, { argument = '', what }] of Object.entries(COMMANDS))
      write(process.stderr, `  ${`${each} ${argument}`.padEnd(20)} ${what}`);
    return 2;
  }
  const environment = new EnvironmentReader(process.env);
  const directory = environment.path('OUTBOARD_DATA_DIRECTORY');
  for (const { field, description } of environment.problems.violations)
    write(process.stderr, `${field} ${description}`);
  if (environment.problems.total > 0) return 1;
  try {
    write(process.stdout, await command.run(join(directory, `${service}.sqlite`), words[0] ?? ''));
    return 0;
  } catch (thrown) {
    const { code, message, metadata } = AppError.from(thrown);
    write(process.stderr, `${code}: ${message}`);
    if (metadata.problems) write(process.stderr, metadata.problems);
    return 1;
  }
}
