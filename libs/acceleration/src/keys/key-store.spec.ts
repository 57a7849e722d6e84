import { createHash } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { systemRandom } from '@outboard/core';
import { publicKeyFrom, seal } from './hpke.js';
import { KeySlot, NONCE_BLOCK } from './key-slot.js';
import { MemoryKeyStorage } from './key-storage.js';
import { KeyStore } from './key-store.js';
import { ThreadKeyVersion } from './thread-keys.js';
import { keyInfo, type WantedKey, type WantedVersion } from './wanted-key.js';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const identity = { keyUid: 'k1', tenant: 'acme', sessionUid: '', algorithm: 'AES_256_GCM' as const };

const opened = (storage: MemoryKeyStorage): Promise<KeyStore> =>
  KeyStore.open({ storage, random: systemRandom });

function imported(
  store: KeyStore,
  version = 1,
  overrides: Partial<WantedVersion> = {},
  bound: Omit<WantedKey, 'versions'> = identity,
): WantedVersion {
  const info = keyInfo(bound, version);
  return {
    version,
    state: 'ACTIVE',
    sealed: seal(publicKeyFrom(store.publicKey), KEY, { info }),
    noncePrefix: 7,
    maximumJobs: 1n << 32n,
    ...overrides,
  };
}

async function slotOf(store: KeyStore, versions: readonly WantedVersion[]): Promise<KeySlot> {
  const { offer, problem, settle } = await store.apply({ ...identity, versions });
  settle();
  if (problem !== undefined) throw problem;
  const [first] = offer.versions;
  if (first === undefined) throw new Error('there is no version');
  return KeySlot.attach(first.memory);
}

/** Nonces as one thread makes them. */
function noncesOf(slot: KeySlot, count: number): string[] {
  const key = new ThreadKeyVersion(1, slot);
  return Array.from({ length: count }, () => {
    const nonce = new Uint8Array(12);
    expect(key.takeNonce(nonce)).toBe('TAKEN');
    return Buffer.from(nonce).toString('hex');
  });
}

it('a key that was sealed to the worker is in its slot, and nowhere on disk', async () => {
  const storage = new MemoryKeyStorage();
  const store = await opened(storage);
  const slot = await slotOf(store, [imported(store)]);
  expect([slot.state, Buffer.from(slot.key)]).toEqual(['ACTIVE', KEY]);
  const disk = Buffer.concat([...storage.records.values()]);
  expect(disk.includes(KEY)).toBe(false);
  expect(disk.includes(KEY.toString('hex')) || disk.includes(KEY.toString('base64'))).toBe(false);
});

it('sealed for another tenant, key, version, algorithm or session it is refused, and the others work', async () => {
  const store = await opened(new MemoryKeyStorage());
  const strangers = [
    { ...identity, tenant: 'other' },
    { ...identity, keyUid: 'k2' },
    { ...identity, sessionUid: 's1' },
    { ...identity, algorithm: 'CHACHA20_POLY1305' as const },
  ].map((bound, index) => imported(store, index + 2, { state: 'DECRYPT_ONLY' }, bound));
  const { offer, problem } = await store.apply({ ...identity, versions: [imported(store), ...strangers] });
  expect(offer.versions.map(({ version }) => version)).toEqual([1]);
  expect(problem?.violations?.map(({ field }) => field)).toEqual(
    strangers.map((_, index) => `versions[${index + 1}]`),
  );
});

it('a key of the wrong length is refused with the length that it must have', async () => {
  const store = await opened(new MemoryKeyStorage());
  const sealed = seal(publicKeyFrom(store.publicKey), KEY.subarray(1), { info: keyInfo(identity, 1) });
  const { problem } = await store.apply({ ...identity, versions: [imported(store, 1, { sealed })] });
  expect(problem?.violations).toEqual([
    { field: 'versions[0]', description: 'must have 32 bytes for AES_256_GCM, not 31' },
  ]);
});

it('no nonce comes twice: not after a restart, not after more were reserved, not for another worker', async () => {
  const storage = new MemoryKeyStorage();
  const nonces: string[] = [];
  for (let run = 0; run < 3; run++) {
    const store = await opened(storage);
    const slot = await slotOf(store, [imported(store)]);
    nonces.push(...noncesOf(slot, 50));
    await store.refill('k1', 1);
    nonces.push(...noncesOf(slot, 50));
  }
  const other = await opened(new MemoryKeyStorage());
  nonces.push(...noncesOf(await slotOf(other, [imported(other, 1, { noncePrefix: 8 })]), 50));
  expect(new Set(nonces).size).toBe(350);
  expect(nonces.slice(0, 300).every((nonce) => nonce.startsWith('00000007'))).toBe(true);
});

it('threads that share a key never make the same nonce, and a counter runs on past 2^32', async () => {
  const store = await opened(new MemoryKeyStorage());
  const slot = await slotOf(store, [imported(store)]);
  slot.reserve((1n << 32n) - 3n, 1n << 40n, 1n << 41n);
  const threads = [new ThreadKeyVersion(1, slot), new ThreadKeyVersion(1, slot)];
  const nonces = Array.from({ length: 2000 }, (_, index) => {
    const nonce = new Uint8Array(12);
    threads[index % 2]?.takeNonce(nonce);
    return Buffer.from(nonce).toString('hex');
  });
  expect(new Set(nonces).size).toBe(2000);
  expect(nonces.slice(0, 8).filter((_, index) => index % 2 === 0)).toEqual([
    '0000000700000000fffffffd',
    '0000000700000000fffffffe',
    '0000000700000000ffffffff',
    '000000070000000100000000',
  ]);
});

it('what is reserved is on disk before it may be used; a worker that lost its disk begins elsewhere', async () => {
  const storage = new MemoryKeyStorage();
  const store = await opened(storage);
  const slot = await slotOf(store, [imported(store)]);
  const reserved = BigInt(
    Buffer.from(storage.records.get('nonces.k1.1') ?? [])
      .toString()
      .trim()
      .split(' ')[1] ?? 0,
  );
  const first = slot.counter;
  expect(reserved - first).toBe(NONCE_BLOCK);
  storage.records.clear();
  const again = await opened(storage);
  const distance = (await slotOf(again, [imported(again)])).counter - first;
  expect(distance > NONCE_BLOCK || distance < -NONCE_BLOCK).toBe(true);
});

it('a damaged record of nonces stops the key, as no guess would be safe', async () => {
  const storage = new MemoryKeyStorage();
  const store = await opened(storage);
  await slotOf(store, [imported(store)]);
  await storage.write('nonces.k1.1', Buffer.from('12 nonsense'));
  const again = await opened(storage);
  await expect(again.apply({ ...identity, versions: [imported(again)] })).rejects.toThrow('damaged');
});

it('a key does as many jobs as it may, over all restarts', async () => {
  const storage = new MemoryKeyStorage();
  const store = await opened(storage);
  const slot = await slotOf(store, [imported(store, 1, { maximumJobs: 3n })]);
  noncesOf(slot, 3);
  expect(slot.takeCounters(1)).toBe('EXHAUSTED');
  const again = await opened(storage);
  const later = await slotOf(again, [imported(again, 1, { maximumJobs: 3n })]);
  expect(later.takeCounters(1)).toBe('EXHAUSTED');
});

it('a key may be given more jobs than can be counted', async () => {
  const store = await opened(new MemoryKeyStorage());
  const slot = await slotOf(store, [imported(store, 1, { maximumJobs: (1n << 64n) - 1n })]);
  expect(noncesOf(slot, 3)).toHaveLength(3);
});

it('what is no longer wanted is zeroed at once, and its traces on disk go', async () => {
  const storage = new MemoryKeyStorage();
  const store = await opened(storage);
  const slot = await slotOf(store, [imported(store), imported(store, 2, { state: 'DECRYPT_ONLY' })]);
  const removing = store.remove('k1');
  await removing;
  expect([slot.state, slot.key.every((byte) => byte === 0)]).toEqual(['DESTROYED', true]);
  expect([...storage.records.keys()]).toEqual(['sealing-key']);
});

it('the same key again changes nothing; another state does', async () => {
  const store = await opened(new MemoryKeyStorage());
  const version = imported(store);
  const slot = await slotOf(store, [version]);
  expect((await slotOf(store, [version])).memory).toBe(slot.memory);
  await slotOf(store, [{ ...version, state: 'DECRYPT_ONLY' }]);
  expect(slot.state).toBe('DECRYPT_ONLY');
});

it('a version that is rotated away encrypts until its successor is told to the threads', async () => {
  const store = await opened(new MemoryKeyStorage());
  const first = imported(store);
  const slot = await slotOf(store, [first]);
  const versions = [{ ...first, state: 'DECRYPT_ONLY' as const }, imported(store, 2)];
  const { offer, settle } = await store.apply({ ...identity, versions });
  expect([offer.versions.map(({ version }) => version), slot.state]).toEqual([[1, 2], 'ACTIVE']);
  settle();
  expect(slot.state).toBe('DECRYPT_ONLY');
});

it('a key that is made here is the same after a restart, and another one under another name', async () => {
  const storage = new MemoryKeyStorage();
  const made: WantedVersion = {
    version: 1,
    state: 'ACTIVE',
    sealed: undefined,
    noncePrefix: 1,
    maximumJobs: 10n,
  };
  const first = Buffer.from((await slotOf(await opened(storage), [made])).key);
  const again = Buffer.from((await slotOf(await opened(storage), [made])).key);
  expect([first.length, first.equals(again)]).toEqual([32, true]);
  expect(Buffer.concat([...storage.records.values()]).includes(first)).toBe(false);
  const other = (await slotOf(await opened(new MemoryKeyStorage()), [made])).key;
  expect(first.equals(other)).toBe(false);
});

it('a key that is made here has a fingerprint, the same after a restart; one that was imported has none of ours', async () => {
  const storage = new MemoryKeyStorage();
  const made: WantedVersion = {
    version: 1,
    state: 'ACTIVE',
    sealed: undefined,
    noncePrefix: 1,
    maximumJobs: 10n,
  };
  const store = await opened(storage);
  const secret = Buffer.from(
    (await slotOf(store, [made, imported(store, 2, { state: 'DECRYPT_ONLY' })])).key,
  );
  const text = Buffer.concat([Buffer.from('outboard acceleration key fingerprint 1\n'), secret]);
  const fingerprint = createHash('sha256').update(text).digest('hex').slice(0, 16);
  expect(store.generated()).toEqual([{ keyUid: 'k1', version: 1, fingerprint }]);
  const next = await opened(storage);
  await slotOf(next, [made]);
  expect(next.generated()).toEqual([{ keyUid: 'k1', version: 1, fingerprint }]);
  await next.remove('k1');
  expect(next.generated()).toEqual([]);
});
