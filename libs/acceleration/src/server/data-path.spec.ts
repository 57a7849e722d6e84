import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { systemClock, systemRandom } from '@outboard/core';
import { MemoryKeyStorage } from '../keys/key-storage.js';
import { KeyStore } from '../keys/key-store.js';
import { DataPathWorld } from '../testing/data-path-world.js';
import { grantOf, program, step } from '../testing/lane-world.js';
import { DataPath } from './data-path.js';
import { probeEngines } from './probe.js';

it('a session has a directory of its own with its sockets and what may be known of it; nothing of that is left', async () => {
  const world = await DataPathWorld.open({ threads: { LIGHT: 2, HEAVY: 1 } });
  try {
    const programs = [program(1, step('COMPRESS', 'ZSTD')), program(2, step('GENERATE', 'CRC32C'))];
    const grant = await world.grant({ programs });
    const { directory } = world.locationOf();
    expect(readdirSync(directory).sort()).toEqual([
      'heavy-0.sock',
      'light-0.sock',
      'light-1.sock',
      'session.json',
    ]);
    expect(statSync(join(directory, 'light-0.sock')).mode & 0o777).toBe(0o666);
    const text = readFileSync(join(directory, 'session.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      session: 's1',
      epoch: 1,
      sockets: { LIGHT: ['light-0.sock', 'light-1.sock'], HEAVY: ['heavy-0.sock'] },
      programs: [
        { id: 1, lane: 'HEAVY' },
        { id: 2, lane: 'LIGHT' },
      ],
    });
    expect(text).not.toContain(Buffer.from(grant.tokenDigests[0] ?? []).toString('hex'));
    await world.grant({ epoch: 2 });
    expect(JSON.parse(readFileSync(join(directory, 'session.json'), 'utf8'))).toMatchObject({ epoch: 2 });
    await world.dataPath.revoke('s1');
    expect(existsSync(directory)).toBe(false);
  } finally {
    await world[Symbol.asyncDispose]();
  }
  expect([world.failures, existsSync(world.directory)]).toEqual([[], false]);
});

it('a session listens in the lanes of its programs alone, and in others as soon as it has programs there', async () => {
  const world = await DataPathWorld.open();
  const sockets = (): string[] =>
    readdirSync(world.locationOf().directory).filter((name) => name.endsWith('.sock'));
  try {
    await world.grant({ programs: [program(1, step('GENERATE', 'CRC32C'))] });
    expect(sockets()).toEqual(['light-0.sock']);
    await world.grant({ programs: [program(2, step('COMPRESS', 'ZSTD'))] });
    expect(sockets().sort()).toEqual(['heavy-0.sock', 'light-0.sock']);
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

it('a session whose path is too long for a socket is refused by name, and others are not', async () => {
  const world = await DataPathWorld.open();
  try {
    await expect(world.grant({ sessionUid: 'x'.repeat(90) })).rejects.toThrow('ENAMETOOLONG');
    await world.grant();
    expect(readdirSync(world.locationOf().directory)).toContain('light-0.sock');
  } finally {
    await world[Symbol.asyncDispose]();
  }
});

it('of what a killed run left, sockets go at once; directories stay, as they may be mounted, until they are known to be unused', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'outboard-accel-'));
  mkdirSync(join(directory, 'gone'));
  writeFileSync(join(directory, 'gone/session.json'), '{}');
  writeFileSync(join(directory, 'gone/light-0.sock'), '');
  mkdirSync(join(directory, 's1'));
  writeFileSync(join(directory, 's1/session.json'), '{}');
  const { ino } = statSync(join(directory, 's1'));
  mkdirSync(join(directory, 'foreign'));
  writeFileSync(join(directory, 'foreign/session.json'), '{}');
  writeFileSync(join(directory, 'foreign/letter'), 'not ours');
  const keys = await KeyStore.open({ storage: new MemoryKeyStorage(), random: systemRandom });
  const onFailure = (): void => {};
  const threads = { LIGHT: 1, HEAVY: 1 };
  const dataPath = await DataPath.open({ directory, threads, keys, clock: systemClock, onFailure });
  const found = () => readdirSync(directory, { recursive: true }).sort();
  expect(found()).toEqual(['foreign', 'foreign/letter', 'foreign/session.json', 'gone', 's1']);
  await dataPath.grant(grantOf());
  await dataPath.removeUnused();
  expect(readdirSync(directory).sort()).toEqual(['foreign', 's1']);
  expect([statSync(join(directory, 's1')).ino, existsSync(join(directory, 's1/session.json'))]).toEqual([
    ino,
    true,
  ]);
  await dataPath[Symbol.asyncDispose]();
  expect(found()).toEqual(['foreign', 'foreign/letter', 'foreign/session.json', 's1']);
  rmSync(directory, { recursive: true });
});

it('engines are probed with their speeds, nothing is quarantined', async () => {
  const { capabilities, quarantined } = await probeEngines();
  expect(quarantined).toEqual([]);
  const gcm = capabilities.filter(({ algorithm }) => algorithm === 'AES_256_GCM');
  expect(gcm.map(({ module, operation }) => `${module} ${operation}`)).toEqual([
    'libcrypto ENCRYPT',
    'libcrypto DECRYPT',
    'node ENCRYPT',
    'node DECRYPT',
  ]);
  for (const { speeds } of capabilities) {
    expect(speeds.map(({ inputBytes }) => inputBytes)).toEqual([4096, 65_536, 1_048_576]);
    expect(speeds.every(({ megabytesPerSecond }) => megabytesPerSecond > 0)).toBe(true);
  }
});
