import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { DataPathWorld, TOKEN } from '@outboard/acceleration/testing';
import { AccelerationClient } from '@outboard/acceleration-client';
import {
  type AccelerationKeySchema,
  AccelerationSession_Offload,
  AccelerationStep_Operation,
} from '@outboard/contracts';
import { systemClock } from '@outboard/core';
import type { DocumentReport, DocumentUpdate } from '@outboard/dataplane';
import { keyObject, SOURCE, sessionObject } from '../testing/acceleration-objects.js';
import { AccelerationEngine } from './acceleration-engine.js';

const ENCRYPT = AccelerationStep_Operation.ENCRYPT;

let world: DataPathWorld;
let engine: AccelerationEngine;
let reports: DocumentReport[];
let sequence: bigint;

beforeEach(async () => {
  world = await DataPathWorld.open();
  engine = new AccelerationEngine({ dataPath: world.dataPath, clock: systemClock });
  reports = [];
  sequence = 0n;
  engine.onReport((report) => {
    reports.push(report);
    awaited?.();
  });
});
afterEach(async () => {
  await engine[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

let awaited: (() => void) | undefined;

/** Submits a change; the report of its version. */
async function submit(
  change: Pick<DocumentUpdate, 'complete' | 'upserts' | 'deletes'>,
): Promise<DocumentReport> {
  const version = { epoch: 'one', sequence: ++sequence, digest: new Uint8Array(16) };
  engine.submit({ owner: 'acceleration', version, ...change });
  for (;;) {
    const found = reports.find((report) => report.version.sequence === version.sequence);
    if (found !== undefined) return found;
    await new Promise<void>((resolve) => {
      awaited = resolve;
    });
  }
}

/** The first bytes of the nonce of a job that is done, or the status of one that is not. */
async function encrypts(token: Uint8Array = TOKEN): Promise<string> {
  const client = new AccelerationClient({
    locate: () => ({ ...world.locationOf(), token }),
    timeoutMilliseconds: 20,
  });
  try {
    const { metadata } = await client.run(1, Buffer.from('secret'));
    return Buffer.from(metadata[0]?.nonce?.subarray(0, 4) ?? []).toString('hex');
  } catch (failure) {
    return (failure as { status?: string }).status ?? String(failure);
  } finally {
    client[Symbol.dispose]();
  }
}

it('serves the sessions and keys of a document, and no longer what leaves it', async () => {
  const complete = new Map([
    ['session/s1', sessionObject(TOKEN)],
    ['key/k1', keyObject(world.keys.publicKey)],
  ]);
  expect((await submit({ complete })).problems).toEqual([]);
  expect(await encrypts()).toBe('00000009');
  const { problems } = await submit({ deletes: ['key/k1'] });
  expect(problems).toMatchObject([{ key: 'session/s1', state: 'PENDING', message: 'key k1 is not here' }]);
  expect(await encrypts()).toBe('KEY_UNAVAILABLE');
  await submit({ upserts: new Map([['key/k1', keyObject(world.keys.publicKey)]]) });
  expect(await encrypts()).toBe('00000009');
  expect((await submit({ complete: new Map() })).problemTotal).toBe(0);
  expect(await encrypts()).toBe('UNAVAILABLE');
});

it('what comes while a version is served is served and reported after it; directories of former sessions stay until all that is wanted is served', async () => {
  const calls: string[] = [];
  let goOn: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const dataPath = {
    directoryOf: () => '',
    applyKey: async () => {
      calls.push('key');
      await held;
    },
    removeKey: async () => {},
    grant: async () => {
      calls.push('session');
      same = submitted(3n, {});
    },
    revoke: async () => {},
    removeUnused: async () => void calls.push('unused'),
  };
  const slow = new AccelerationEngine({ dataPath, clock: systemClock });
  const submitted = (sequence: bigint, change: Pick<DocumentUpdate, 'complete' | 'upserts'>) =>
    new Promise<void>((resolve) => {
      slow.onReport(({ version }) => version.sequence === sequence && resolve());
      const version = { epoch: 'one', sequence, digest: new Uint8Array(16) };
      slow.submit({ owner: 'acceleration', version, ...change });
    });
  let same: Promise<void> | undefined;
  const key = ['key/k1', keyObject(world.keys.publicKey)] as const;
  const first = submitted(1n, { upserts: new Map([key]) });
  const whole = submitted(2n, { complete: new Map([key, ['session/s1', sessionObject(TOKEN)]]) });
  goOn();
  await Promise.all([first, whole]);
  await same;
  expect(calls).toEqual(['key', 'session', 'unused']);
  await slow[Symbol.asyncDispose]();
});

it('what runs on this machine uses a session with a token of its own, until it is told otherwise', async () => {
  const own = Buffer.alloc(32, 7);
  const held = { tenant: 'acme', name: 'web', tokenDigest: createHash('sha256').update(own).digest() };
  await engine.admit('workload', [held]);
  expect(engine.directoryOf(held)).toBeUndefined();
  const complete = new Map([
    ['session/s1', sessionObject(TOKEN)],
    ['key/k1', keyObject(world.keys.publicKey)],
  ]);
  await submit({ complete });
  const { directory } = world.locationOf();
  expect(engine.directoryOf(held)).toBe(directory);
  expect(engine.directoryOf({ tenant: 'other', name: 'web' })).toBeUndefined();
  expect([await encrypts(own), await encrypts()]).toEqual(['00000009', '00000009']);
  await engine.admit('workload', []);
  expect([await encrypts(own), await encrypts()]).toEqual(['UNAUTHENTICATED', '00000009']);
});

it('a session that names a key of another tenant, session or algorithm is not served, whichever came first', async () => {
  const foreign: [MessageInitShape<typeof AccelerationKeySchema>, string][] = [
    [{ tenant: 'other' }, "key k1 is another tenant's"],
    [{ sessionUid: 's2' }, "key k1 is another session's"],
    [{ algorithm: 'CHACHA20_POLY1305' }, 'key k1 is for CHACHA20_POLY1305, not AES_256_GCM'],
  ];
  await submit({ upserts: new Map([['session/s1', sessionObject(TOKEN)]]) });
  for (const [overrides, message] of foreign) {
    const key = keyObject(world.keys.publicKey, overrides);
    const { problems } = await submit({ upserts: new Map([['key/k1', key]]) });
    expect(problems.filter((each) => each.key === 'session/s1')).toMatchObject([
      { state: 'FAILED', message, source: SOURCE },
    ]);
    expect(await encrypts()).toBe('UNAVAILABLE');
  }
});

it('a key that is sealed to somebody else is told as FAILED, without a retry', async () => {
  const stranger = world.keys.publicKey;
  const key = keyObject(stranger, { tenant: 'other' });
  const { problems } = await submit({ complete: new Map([['key/k1', key]]) });
  expect(problems).toMatchObject([{ key: 'key/k1', state: 'FAILED' }]);
  expect(problems[0]?.message).toContain('cannot be opened');
});

it('an object that breaks rules is told with all of them, and the others are served', async () => {
  const broken = sessionObject(TOKEN, {
    sessionUid: 'Not A Label',
    epoch: 0,
    tokenSha256: Buffer.alloc(3),
    programs: [{ id: 0, steps: [{ operation: ENCRYPT, algorithm: 'ROT_13' }] }],
  });
  const complete = new Map([
    ['session/broken', broken],
    ['key/k1', keyObject(world.keys.publicKey)],
    ['session/s1', sessionObject(TOKEN)],
  ]);
  const { problems } = await submit({ complete });
  expect(problems).toMatchObject([{ key: 'session/broken', state: 'UNSUPPORTED' }]);
  for (const field of ['session_uid', 'epoch', 'token_sha256', 'programs[0].id', 'steps[0].algorithm'])
    expect(problems[0]?.message).toContain(field);
  expect(await encrypts()).toBe('00000009');
});

it('a session that must be in hardware gets nothing from software, one that must not be gets it; what else is asked is refused', async () => {
  const serve = (offload: AccelerationSession_Offload) =>
    submit({ upserts: new Map([['session/s1', sessionObject(TOKEN, { offload })]]) });
  await submit({ complete: new Map([['key/k1', keyObject(world.keys.publicKey)]]) });
  await serve(AccelerationSession_Offload.NEVER);
  expect(await encrypts()).toBe('00000009');
  await serve(AccelerationSession_Offload.REQUIRED);
  expect(await encrypts()).toBe('UNSUPPORTED');
  await serve(AccelerationSession_Offload.UNSPECIFIED);
  expect(await encrypts()).toBe('00000009');
  const { problems } = await serve(99 as AccelerationSession_Offload);
  expect(problems).toMatchObject([{ key: 'session/s1', state: 'UNSUPPORTED' }]);
  expect(problems[0]?.message).toContain('session.offload');
});
