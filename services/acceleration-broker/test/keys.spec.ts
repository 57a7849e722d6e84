import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { RefusingStore } from '@outboard/resource-service/testing';
import { openMemoryStore } from '@outboard/store';
import { BrokerLaboratory, COMPRESS, encryptWith, sealedTo } from './broker-laboratory.js';

let laboratory: BrokerLaboratory;
beforeEach(async () => {
  laboratory = await BrokerLaboratory.open();
  await laboratory.neighbours.putDpu('dpu-a', { disk: 1 });
  await laboratory.neighbours.putDpu('dpu-b', { disk: 2 });
  await laboratory.quiet();
  await laboratory.worker('dpu-a');
  await laboratory.worker('dpu-b');
});
afterEach(() => laboratory.close());

const key = (versions: readonly object[], more: object = {}) =>
  laboratory.apply('AccelerationKey', 'k', { algorithm: 'AES_256_GCM', versions, ...more });
const encrypting = (name: string, spec: object = {}) =>
  laboratory.session(name, { programs: encryptWith('k'), ...spec });
const prefixes = (dpu: string) => laboratory.keyOn(dpu)?.versions.map(({ noncePrefix }) => noncePrefix) ?? [];

it('a key goes to the DPUs on which a session names it, sealed for each, and with the last session it leaves', async () => {
  unwrap(await key([{ version: 1, sealed: sealedTo(1, 2) }]));
  expect(laboratory.keyOn('dpu-a')).toBeUndefined();
  await encrypting('s', { dpu: 'dpu-a' });
  expect(laboratory.keyOn('dpu-a')).toMatchObject({
    tenant: 'acme',
    sessionUid: '',
    algorithm: 'AES_256_GCM',
    versions: [{ version: 1, state: 1, material: { case: 'sealed' } }],
  });
  expect(laboratory.keyOn('dpu-b')).toBeUndefined();
  const { status } = unwrap(await laboratory.request('get', 'AccelerationKey', { name: 'k' }));
  expect(status).toMatchObject({
    sessions: 1,
    versions: [{ version: 1, dpus: ['dpu-a', 'dpu-b'] }],
    propagated: { applied: 1, total: 1 },
  });
  unwrap(await laboratory.request('delete', 'AccelerationSession', { name: 's' }));
  expect(laboratory.keyOn('dpu-a')).toBeUndefined();
});

it('a session waits for its key, and is placed only where it can be opened', async () => {
  await encrypting('s');
  expect(laboratory.where('s')).toBe('- 0 KeyMissing NotPlanned');
  unwrap(await key([]));
  expect(laboratory.message('s', 'Planned')).toBe('key k has no version yet');
  unwrap(await key([{ version: 1, sealed: sealedTo(9) }]));
  expect(laboratory.where('s')).toBe('- 0 KeyUnavailable NotPlanned');
  unwrap(await key([{ version: 1, sealed: sealedTo(9, 2) }]));
  expect(laboratory.where('s')).toBe('dpu-b 1 Placed Serving');
});

it('a program whose key is not there yet does not take the others from a session that is served', async () => {
  await laboratory.session('s');
  await laboratory.session('s', { programs: [...COMPRESS, { ...encryptWith('k')[0], id: 2 }] });
  const programs = () =>
    laboratory
      .objects('dpu-a')
      .flatMap((object) => ('programs' in object ? object.programs.map(({ id }) => id) : []));
  expect(laboratory.where('s')).toMatch(/^dpu-a 1 KeyMissing/);
  expect(programs()).toEqual([1]);
  unwrap(await key([{ version: 1, sealed: sealedTo(1) }]));
  expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
  expect(programs()).toEqual([1, 2]);
});

it('no place of a key ever gets the nonce prefix of another, or its own again', async () => {
  const seen = new Set<number>();
  const collect = (dpu: string) => {
    for (const prefix of prefixes(dpu)) {
      expect(seen.has(prefix)).toBe(false);
      seen.add(prefix);
    }
  };
  unwrap(await key([{ version: 1, sealed: sealedTo(1, 2, 3) }]));
  await encrypting('a', { dpu: 'dpu-a' });
  await encrypting('b', { dpu: 'dpu-b' });
  collect('dpu-a');
  collect('dpu-b');
  const kept = prefixes('dpu-a');
  await laboratory.restart();
  await laboratory.workers.get('dpu-a')?.sync();
  await laboratory.quiet();
  expect(prefixes('dpu-a')).toEqual(kept);
  unwrap(await laboratory.request('delete', 'AccelerationSession', { name: 'a' }));
  await encrypting('a', { dpu: 'dpu-a' });
  collect('dpu-a');
  // The worker has lost its disk: another sealing key.
  await laboratory.neighbours.putDpu('dpu-a', { disk: 3 });
  await laboratory.quiet();
  collect('dpu-a');
  // The same version, sealed anew: the worker begins its nonces anew.
  const [again] = sealedTo(3);
  unwrap(
    await key([
      {
        version: 1,
        sealed: [...sealedTo(2), { ...again, encapsulatedKey: sealedTo(9)[0]?.sealingPublicKey }],
      },
    ]),
  );
  collect('dpu-a');
  expect(seen.size).toBe(5);
});

it('is rotated by another active version, and revoked by taking a version or the whole away, while it is used', async () => {
  unwrap(await key([{ version: 1, sealed: sealedTo(1) }]));
  await encrypting('s');
  const rotated = [
    { version: 1, state: 'DECRYPT_ONLY', sealed: sealedTo(1) },
    { version: 2, sealed: sealedTo(1) },
  ];
  unwrap(await key(rotated));
  expect(laboratory.keyOn('dpu-a')?.versions).toMatchObject([
    { version: 1, state: 2 },
    { version: 2, state: 1 },
  ]);
  unwrap(await key(rotated.slice(1)));
  expect(laboratory.keyOn('dpu-a')?.versions).toMatchObject([{ version: 2 }]);
  unwrap(await laboratory.request('delete', 'AccelerationKey', { name: 'k' }));
  expect(laboratory.keyOn('dpu-a')).toBeUndefined();
  // The session is still there: what else it may do goes on.
  expect(laboratory.objects('dpu-a')).toHaveLength(1);
  expect(laboratory.where('s')).toMatch(/^dpu-a 1 KeyMissing/);
  expect(
    await key([
      { version: 1, sealed: sealedTo(1) },
      { version: 2, sealed: sealedTo(1) },
    ]),
  ).toMatchObject({
    error: { violations: [{ field: 'spec.versions', description: 'must have at most one that is ACTIVE' }] },
  });
});

it('a key that a DPU made is there alone, stays without sessions, and is lost with the disk', async () => {
  unwrap(await key([{ version: 1, generatedOn: 'dpu-b' }]));
  expect(laboratory.keyOn('dpu-b')?.versions).toMatchObject([{ material: { case: 'generated' } }]);
  await encrypting('s');
  expect(laboratory.where('s')).toBe('dpu-b 1 Placed Serving');
  await laboratory.neighbours.putDpu('dpu-b', { disk: 2, isConnected: false });
  await laboratory.quiet();
  expect(laboratory.where('s')).toMatch(/^dpu-b 1 DpuUnreachable/);
  await laboratory.neighbours.putDpu('dpu-b', { disk: 7 });
  await laboratory.quiet();
  expect(laboratory.where('s')).toMatch(/^dpu-b 1 KeyUnavailable/);
  expect(laboratory.keyOn('dpu-b')).toBeUndefined();
  const { status } = unwrap(await laboratory.request('get', 'AccelerationKey', { name: 'k' }));
  expect(status.versions).toMatchObject([{ version: 1, lost: true }]);
});

it('a key that a DPU made is told with the fingerprint that this DPU tells, whatever its author says, also after a restart', async () => {
  unwrap(await key([{ version: 1, generatedOn: 'dpu-b', fingerprint: 'cccccccc' }]));
  const found = async () => unwrap(await laboratory.request('get', 'AccelerationKey', { name: 'k' }));
  const { metadata } = await found();
  const tell = (dpu: string, fingerprint: string, version = 1) =>
    laboratory.tell(dpu, { generatedKeys: [{ keyUid: metadata.uid, version, fingerprint }] });
  await tell('dpu-a', 'aaaaaaaaaaaaaaaa');
  await tell('dpu-b', 'no fingerprint');
  await tell('dpu-b', 'bbbbbbbbbbbbbbbb', 2);
  expect((await found()).status.versions).toMatchObject([{ fingerprint: 'cccccccc' }]);
  await tell('dpu-b', '0123456789abcdef');
  const { resourceVersion } = (await found()).metadata;
  await tell('dpu-b', '0123456789abcdef');
  await laboratory.restart();
  expect(await found()).toMatchObject({
    metadata: { resourceVersion },
    status: { versions: [{ version: 1, fingerprint: '0123456789abcdef' }] },
  });
});

it('a worker hears whether fingerprints are stored, and by whom: a broker that has started anew is another one', async () => {
  const store = new RefusingStore(openMemoryStore());
  await laboratory.restart(store);
  unwrap(await key([{ version: 1, generatedOn: 'dpu-b' }]));
  const { metadata } = unwrap(await laboratory.request('get', 'AccelerationKey', { name: 'k' }));
  const storedBy = async (...fingerprints: string[]): Promise<string> => {
    const generatedKeys = fingerprints.map((fingerprint) => ({
      keyUid: metadata.uid,
      version: 1,
      fingerprint,
    }));
    return (await laboratory.tell('dpu-b', { generatedKeys })).generatedKeysStoredBy;
  };
  store.isDiskFull = true;
  expect(await storedBy('0123456789abcdef')).toBe('');
  store.isDiskFull = false;
  const one = await storedBy('0123456789abcdef');
  expect(one).not.toBe('');
  expect(await storedBy('0123456789abcdef')).toBe(one);
  await laboratory.restart();
  expect(['', one]).not.toContain(await storedBy());
});

it('a key of one session is for no other one, and goes with it', async () => {
  expect(await key([], { session: 's' })).toMatchObject({ error: { code: 'FAILED_PRECONDITION' } });
  const { metadata } = await encrypting('s');
  unwrap(await key([{ version: 1, sealed: sealedTo(1) }], { session: 's' }));
  expect(laboratory.keyOn('dpu-a')).toMatchObject({ sessionUid: metadata.uid });
  await encrypting('other');
  expect(laboratory.message('other', 'Planned')).toBe("key k is session s's");
  unwrap(await laboratory.request('delete', 'AccelerationSession', { name: 's' }));
  expect(await laboratory.request('get', 'AccelerationKey', { name: 'k' })).toMatchObject({
    error: { code: 'NOT_FOUND' },
  });
  expect(laboratory.keyOn('dpu-a')).toBeUndefined();
});

it('what is as long as a key in clear is refused', async () => {
  const clear = Buffer.alloc(32, 7).toString('base64');
  const [sealed] = sealedTo(1);
  expect(await key([{ version: 1, sealed: [{ ...sealed, ciphertext: clear }] }])).toMatchObject({
    error: {
      violations: [
        {
          field: 'spec.versions[0].sealed[0].ciphertext',
          description: 'without its tag of 16 must have 32 bytes for AES_256_GCM, not 16',
        },
      ],
    },
  });
});
