import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { openedStores } from '../../test/opened-stores.js';
import { newBatch, newMessage, newRow, portKey } from '../contract-suite.js';
import type { Store } from '../port.js';
import { backupSqliteStore, renewEpoch, restoreSqliteStore } from './backup.js';

const openStore = openedStores();
let folder = '';
let path = '';
let destination = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'outboard-store-'));
  path = join(folder, 'store.sqlite');
  destination = join(folder, 'backup.sqlite');
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (file = path): Promise<Store> => openStore({ path: file, durability: 'NORMAL' });
const put = async (store: Store, name: string): Promise<void> => {
  unwrap(await store.commit(newBatch({ puts: [newRow(portKey(name))], outbox: [newMessage(name)] })));
};
const names = (store: Store): string[] =>
  store.read((snapshot) => snapshot.list('Port', { limit: 100 })).rows.map(({ key }) => key.name);

describe('a backup', () => {
  it('is taken while the store is in use, and has every commit that was acknowledged before', async () => {
    const store = await open();
    await put(store, 'a');
    await put(store, 'b');
    await backupSqliteStore({ path, destination });
    await put(store, 'c');
    const restored = join(folder, 'restored.sqlite');
    await restoreSqliteStore({ backup: destination, path: restored });
    const copy = await open(restored);
    expect(names(copy)).toEqual(['a', 'b']);
    copy.read((snapshot) => {
      expect(snapshot.revision).toBe(2);
      expect(snapshot.pendingMessages(10)).toHaveLength(2);
    });
    expect(names(store)).toEqual(['a', 'b', 'c']);
  });

  it('overwrites nothing', async () => {
    await open();
    writeFileSync(destination, 'mine');
    await expect(backupSqliteStore({ path, destination })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('of nothing is refused', async () => {
    await expect(backupSqliteStore({ path, destination })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe('restoring', () => {
  const backedUp = async (): Promise<string> => {
    const store = await open();
    await put(store, 'a');
    await backupSqliteStore({ path, destination });
    await store[Symbol.asyncDispose]();
    return store.epoch;
  };
  const removeStore = (): void => {
    for (const file of readdirSync(folder)) if (file.startsWith('store.sqlite')) rmSync(join(folder, file));
  };

  it('begins a new epoch, and the backup keeps its own', async () => {
    const epoch = await backedUp();
    removeStore();
    const restored = await restoreSqliteStore({ backup: destination, path });
    expect(restored).not.toBe(epoch);
    const store = await open();
    expect(store.epoch).toBe(restored);
    const original = await open(destination);
    expect(original.epoch).toBe(epoch);
  });

  it.each(['', '-wal'])(
    'overwrites nothing: not a database, nor what lies beside one (store.sqlite%s)',
    async (suffix) => {
      await backedUp();
      removeStore();
      writeFileSync(path + suffix, 'left over');
      await expect(restoreSqliteStore({ backup: destination, path })).rejects.toMatchObject({
        code: 'ALREADY_EXISTS',
        message: expect.stringContaining('move it away'),
      });
    },
  );

  it('refuses what is no store and leaves nothing behind', async () => {
    writeFileSync(destination, 'no database'.repeat(1_000));
    await expect(restoreSqliteStore({ backup: destination, path })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'NOT_A_STORE',
    });
    expect(readdirSync(folder).filter((file) => !file.endsWith('-lock'))).toEqual(['backup.sqlite']);
  });

  it('starts over after one that was interrupted', async () => {
    await backedUp();
    removeStore();
    for (const suffix of ['', '-wal', '-journal']) writeFileSync(`${path}.restoring${suffix}`, 'half');
    await restoreSqliteStore({ backup: destination, path });
    const store = await open();
    expect(names(store)).toEqual(['a']);
  });
});

describe('a new epoch', () => {
  it('is given to a copy that was put back by other means', async () => {
    const first = await open();
    await put(first, 'a');
    await first[Symbol.asyncDispose]();
    const copied = join(folder, 'copied.sqlite');
    copyFileSync(path, copied);
    const epoch = await renewEpoch({ path: copied });
    expect(epoch).not.toBe(first.epoch);
    const store = await open(copied);
    expect(store.epoch).toBe(epoch);
    expect(names(store)).toEqual(['a']);
  });

  it('is refused while a service has the store open', async () => {
    await open();
    await expect(renewEpoch({ path })).rejects.toMatchObject({ reason: 'DATABASE_IN_USE' });
  });
});
