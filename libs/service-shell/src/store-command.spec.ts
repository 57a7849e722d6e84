import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { openSqliteStore } from '@outboard/store';
import { runStoreCommand } from './store-command.js';

const SERVICE = 'network-intent';

describe('a command for the database of a service', () => {
  let folder: string;
  let told: { out: string; err: string };
  const path = (): string => join(folder, `${SERVICE}.sqlite`);
  const run = (command: string, ...words: string[]) => runStoreCommand(SERVICE, command, words);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'outboard-store-command-'));
    process.env.OUTBOARD_DATA_DIRECTORY = folder;
    told = { out: '', err: '' };
    for (const [stream, into] of [
      [process.stdout, 'out'],
      [process.stderr, 'err'],
    ] as const) {
      jest.spyOn(stream, 'write').mockImplementation((text) => {
        told[into] += text;
        return true;
      });
    }
    const store = await openSqliteStore({ path: path(), durability: 'NORMAL' });
    const row = { key: { kind: 'Port', tenant: 'acme', name: 'a' }, value: '{}', indexes: [] };
    unwrap(await store.commit({ expect: [], puts: [row], deletes: [], outbox: [], remember: [] }));
    await store[Symbol.asyncDispose]();
  });
  afterEach(() => {
    jest.restoreAllMocks();
    delete process.env.OUTBOARD_DATA_DIRECTORY;
    rmSync(folder, { recursive: true });
  });

  it('checks it, and tells what is in it', async () => {
    expect(await run('check-store')).toBe(0);
    expect(told.out).toMatch(/network-intent\.sqlite is whole: epoch \S+, revision 1, 1 rows\n$/);
  });

  it('tells what is damaged, and how to go on', async () => {
    writeFileSync(path(), Buffer.alloc(4_096, 0xa5), { flag: 'r+' });
    expect(await run('check-store')).toBe(1);
    expect(told.err).toMatch(
      /^FAILED_PRECONDITION: database .*network-intent\.sqlite cannot be used .*restore a backup/,
    );
  });

  it('copies it, and makes it from the copy where there is none', async () => {
    const copy = join(folder, 'copy.sqlite');
    expect(await run('backup-store', copy)).toBe(0);
    expect(await run('restore-store', copy)).toBe(1);
    expect(told.err).toContain('exists already: move it away first');
    for (const file of readdirSync(folder)) if (file.startsWith(SERVICE)) rmSync(join(folder, file));
    expect(await run('restore-store', copy)).toBe(0);
    expect(await run('check-store')).toBe(0);
    expect(told.out).toMatch(
      /is copied to .*copy\.sqlite\n.* is made from .*: epoch .*\n.* revision 1, 1 rows/,
    );
  });

  it('gives it a new epoch, unless its service runs', async () => {
    expect(await run('renew-epoch')).toBe(0);
    const epoch = /has a new epoch: (\S+)\n/.exec(told.out)?.[1];
    const store = await openSqliteStore({ path: path(), durability: 'NORMAL' });
    expect(store.epoch).toBe(epoch);
    expect(await run('renew-epoch')).toBe(1);
    expect(told.err).toContain('is open in another process');
    await store[Symbol.asyncDispose]();
  });

  it.each([['stor'], ['check-store', 'FILE'], ['backup-store'], ['restore-store', 'A', 'B']])(
    'that does not exist, or has too few or too many words, shows which there are (%s %s)',
    async (command, ...words) => {
      expect(await run(command, ...words)).toBe(2);
      expect(told.err).toMatch(/^usage: network-intent \[COMMAND\]/);
      expect(told.err).toContain('restore-store FILE');
      expect(told.out).toBe('');
    },
  );

  it('needs to be told where the data are', async () => {
    delete process.env.OUTBOARD_DATA_DIRECTORY;
    expect(await run('check-store')).toBe(1);
    expect(told.err).toBe('OUTBOARD_DATA_DIRECTORY must be set: an absolute path\n');
  });
});
