import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { openedStores } from '../../test/opened-stores.js';
import { newBatch, newMessage, newRow, portKey } from '../contract-suite.js';
import type { Key } from '../port.js';

const openStore = openedStores();
const PREFIX = 'outboard-store-disk-';
let disk = '';

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`);
}

function unmountAll(): void {
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  for (const mount of mounts) {
    const point = mount.split(' ')[1] ?? '';
    if (point.startsWith(join(tmpdir(), PREFIX))) {
      run('umount', '--lazy', point);
      rmSync(point, { recursive: true });
    }
  }
}

beforeEach(() => {
  // A killed run may have left its disk.
  unmountAll();
  disk = mkdtempSync(join(tmpdir(), PREFIX));
  run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk);
});
afterEach(unmountAll);

/** Takes all the space that is left. */
function fillDisk(): void {
  const file = openSync(join(disk, 'filler'), 'w');
  try {
    for (const size of [65_536, 4_096, 1]) {
      const bytes = new Uint8Array(size);
      for (let full = false; !full; ) {
        try {
          writeSync(file, bytes);
        } catch (thrown) {
          if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
          full = true;
        }
      }
    }
  } finally {
    closeSync(file);
  }
}

const path = (): string => join(disk, 'store.sqlite');
const batchOf = (name: string) =>
  newBatch({ puts: [newRow(portKey(name), 'x'.repeat(50_000))], outbox: [newMessage(name)] });

describe.each([
  ['NORMAL', 'when-busy'],
  ['FULL', 'always'],
] as const)('a full disk (%s, on a thread %s)', (durability, thread) => {
  it('refuses commits as unavailable, loses nothing, and commits again when there is space', async () => {
    const store = await openStore({ path: path(), durability, thread });
    const acknowledged: string[] = [];
    for (let at = 0; at < 20; at++) {
      unwrap(await store.commit(batchOf(`before-${at}`)));
      acknowledged.push(`before-${at}`);
    }
    const refused: string[] = [];
    fillDisk();
    for (let round = 0; round < 20; round++) {
      const names = Array.from({ length: 5 }, (_, at) => `during-${round}-${at}`);
      const results = await Promise.all(names.map((name) => store.commit(batchOf(name))));
      results.forEach((result, at) => {
        (result.ok ? acknowledged : refused).push(names[at] ?? '');
        if (result.ok) return;
        expect(result.error).toMatchObject({
          kind: 'unavailable',
          error: {
            code: 'UNAVAILABLE',
            reason: 'DATABASE_FULL',
            message: expect.stringContaining('free space'),
          },
        });
      });
    }
    expect(refused.length).toBeGreaterThan(0);
    const names = (): string[] =>
      store
        .read((snapshot) => snapshot.list('Port', { limit: 1000 }))
        .rows.map(({ key }: { key: Key }) => key.name);
    expect(names()).toEqual([...acknowledged].sort());

    rmSync(join(disk, 'filler'));
    unwrap(await store.commit(batchOf('after')));
    acknowledged.push('after');
    expect(names()).toEqual([...acknowledged].sort());
    await store[Symbol.asyncDispose]();

    const reopened = await openStore({ path: path(), durability, thread });
    reopened.read((snapshot) => {
      expect(snapshot.list('Port', { limit: 1000 }).rows.map(({ key }) => key.name)).toEqual(
        [...acknowledged].sort(),
      );
      expect(snapshot.pendingMessages(1000).map(({ messageId }) => messageId)).toEqual(acknowledged);
    });
  });

  it('is a problem until there is space, also when nobody writes any more, and is told twice in all', async () => {
    const told: (string | undefined)[] = [];
    const clock = new ManualClock();
    const store = await openStore({
      path: path(),
      durability,
      thread,
      clock,
      onProblem: (problem) => told.push(problem?.reason),
    });
    unwrap(await store.commit(batchOf('before')));
    expect(store.problem).toBeUndefined();
    fillDisk();
    for (let at = 0; !store.problem; at++) await store.commit(batchOf(`during-${at}`));
    expect(store.problem.message).toContain(path());
    await store.commit(batchOf('during'));
    await clock.advance(2_000);
    await store.commit(batchOf('during'));
    expect(store.problem).toMatchObject({ reason: 'DATABASE_FULL' });
    const { revision } = store.read((snapshot) => ({ revision: snapshot.revision }));
    rmSync(join(disk, 'filler'));
    for (let seconds = 0; seconds < 12; seconds += 2) {
      await clock.advance(2_000);
      // Written after what the clock has asked for.
      await store.forgetAnswersBefore(0, 1);
    }
    expect(store.problem).toBeUndefined();
    expect(clock.nextAlarmIn).toBeUndefined();
    expect(told).toEqual(['DATABASE_FULL', undefined]);
    expect(store.read((snapshot) => snapshot.revision)).toBe(revision);
  });

  it('does not keep a store from closing', async () => {
    const store = await openStore({ path: path(), durability, thread });
    unwrap(await store.commit(batchOf('kept')));
    fillDisk();
    await store[Symbol.asyncDispose]();
    rmSync(join(disk, 'filler'));
    const reopened = await openStore({ path: path(), durability, thread });
    expect(reopened.read((snapshot) => snapshot.get(portKey('kept')))).toBeDefined();
  });
});

it('a new store on a full disk is refused as unavailable, and opens when there is space', async () => {
  fillDisk();
  const opening = openStore({ path: path(), durability: 'FULL' });
  await expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  rmSync(join(disk, 'filler'));
  await openStore({ path: path(), durability: 'FULL' });
});

it('a store on a read-only file system is refused with what to do', async () => {
  await (await openStore({ path: path(), durability: 'FULL' }))[Symbol.asyncDispose]();
  run('mount', '-o', 'remount,ro', disk);
  await expect(openStore({ path: path(), durability: 'FULL' })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'DATABASE_READ_ONLY',
    message: expect.stringMatching(/store\.sqlite cannot be written: make the file/),
  });
});
