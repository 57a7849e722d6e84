import { createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { DataPathWorld, program, step } from '@outboard/acceleration/testing';
import { AccelerationClient, AcceleratorError, type ClientOptions, HostEngine } from '../src/index.js';

const KEY = Buffer.alloc(32, 3);
const PROGRAMS = [
  program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
  program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
  program(3, step('COMPRESS', 'GZIP')),
  program(4, step('COMPRESS', 'ZSTD'), step('ENCRYPT', 'AES_256_GCM', 'k'), step('GENERATE', 'CRC32C')),
  program(5, step('VERIFY', 'CRC32C'), step('DECRYPT', 'AES_256_GCM', 'k'), step('DECOMPRESS', 'ZSTD')),
  program(6, step('GENERATE', 'SHA_256')),
];

let world: DataPathWorld;
beforeAll(async () => {
  world = await DataPathWorld.open();
  await world.importKey('k', 'AES_256_GCM', KEY);
  await world.grant({ programs: PROGRAMS });
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

async function withClient<Value>(
  action: (client: AccelerationClient) => Promise<Value>,
  options: Partial<ClientOptions> = {},
): Promise<Value> {
  const client = new AccelerationClient({ locate: () => world.locationOf(), ...options });
  try {
    return await action(client);
  } finally {
    client[Symbol.dispose]();
  }
}

const transports: [string, Partial<ClientOptions>][] = [
  ['the socket', { sharedBytes: 0 }],
  ['shared memory', { rings: false }],
  ['rings', { rings: true }],
];

it.each(transports)('encrypts over %s, many jobs at a time, as anybody with the key decrypts', (_, options) =>
  withClient(async (client) => {
    const inputs = Array.from({ length: 200 }, (_, index) => randomBytes(1 + ((index * 7919) % 70_000)));
    const results = await Promise.all(inputs.map((input) => client.run(1, input)));
    const nonces = new Set<string>();
    results.forEach(({ output, metadata, ranOn }, index) => {
      const [sealed] = metadata;
      const decipher = createDecipheriv('aes-256-gcm', KEY, sealed?.nonce ?? Buffer.alloc(0));
      decipher.setAuthTag(sealed?.tag ?? Buffer.alloc(0));
      const plain = Buffer.concat([decipher.update(output), decipher.final()]);
      expect(Buffer.compare(plain, inputs[index] ?? Buffer.alloc(0))).toBe(0);
      expect(ranOn).toBe('NATIVE_LIBRARY');
      nonces.add(Buffer.from(sealed?.nonce ?? []).toString('hex'));
    });
    expect(nonces.size).toBe(200);
  }, options),
);

it.each(transports)('over %s output is put where the caller has room for it', (_, options) =>
  withClient(async (client) => {
    const room = Buffer.alloc(10_000, 7);
    const input = randomBytes(6000);
    const sealed = await client.run(1, input, { output: room });
    expect([sealed.output.buffer, sealed.output.length, room[6000]]).toEqual([room.buffer, 6000, 7]);
    const opened = await client.run(2, sealed.output, { metadata: sealed.metadata });
    expect(Buffer.compare(opened.output, input)).toBe(0);
    const tooSmall = client.run(1, input, { output: Buffer.alloc(10) });
    await expect(tooSmall).rejects.toMatchObject({ status: 'OUTPUT_TOO_SMALL' });
  }, options),
);

it('a chain and back is one job each way; its middle is seen by nobody', () =>
  withClient(async (client) => {
    const plain = Buffer.from('the same again and again '.repeat(4000));
    const sealed = await client.run(4, plain);
    expect(sealed.output.length).toBeLessThan(plain.length / 20);
    const [, cipher, checksum] = sealed.metadata;
    const opened = await client.run(5, sealed.output, {
      outputLength: plain.length,
      metadata: [checksum, cipher],
    });
    expect(Buffer.compare(opened.output, plain)).toBe(0);
    const tampered = Uint8Array.from(sealed.output);
    tampered[9] = (tampered[9] ?? 0) ^ 4;
    const refused = client.run(5, tampered, { outputLength: plain.length, metadata: [checksum, cipher] });
    await expect(refused).rejects.toMatchObject({
      status: 'VERIFICATION_FAILED',
      failedStep: 1,
      class: 'FINAL',
    });
  }));

it('compresses in the lane of dear operations; digests are in the metadata, with no output', () =>
  withClient(async (client) => {
    const input = Buffer.from('compress me '.repeat(1000));
    expect(gunzipSync((await client.run(3, input)).output)).toEqual(input);
    const { output, metadata } = await client.run(6, input);
    expect(output.length).toBe(0);
    expect(Buffer.from(metadata[0]?.digest ?? [])).toEqual(createHash('sha256').update(input).digest());
  }));

it('what the grant has no place for waits in the client: all jobs end, none is refused', () =>
  withClient(async (client) => {
    const results = await Promise.all(
      Array.from({ length: 500 }, () => client.run(1, Buffer.alloc(64 * 1024))),
    );
    expect(results.every(({ attempts }) => attempts === 1)).toBe(true);
  }));

it('errors tell the status and the class; a job that is cancelled is rejected as that', () =>
  withClient(
    async (client) => {
      await expect(client.run(77, Buffer.alloc(1), {})).rejects.toBeInstanceOf(AcceleratorError);
      const noNonce = client.run(2, Buffer.alloc(8));
      await expect(noNonce).rejects.toMatchObject({ status: 'INVALID_ARGUMENT' });
      await expect(client.run(3, Buffer.alloc(100), { outputLength: 2 })).rejects.toMatchObject({
        status: 'OUTPUT_TOO_SMALL',
      });
      await expect(client.run(1, Buffer.alloc(2 << 20))).rejects.toMatchObject({
        status: 'INVALID_ARGUMENT',
      });
      const end = new AbortController();
      end.abort();
      await expect(client.run(1, Buffer.alloc(1), { signal: end.signal })).rejects.toMatchObject({
        status: 'CANCELLED',
      });
    },
    { timeoutMilliseconds: 200 },
  ));

it('a session that moves is followed: jobs in flight are done by the other worker, each once', async () => {
  const other = await DataPathWorld.open();
  try {
    await other.importKey('k', 'AES_256_GCM', KEY, { noncePrefix: 8 });
    await world.grant({ sessionUid: 'moving', programs: PROGRAMS });
    let here = world;
    await withClient(
      async (client) => {
        const first = Array.from({ length: 100 }, (_, index) => client.run(1, Buffer.alloc(1000 + index)));
        await first[0];
        await other.grant({ sessionUid: 'moving', epoch: 2, programs: PROGRAMS });
        here = other;
        const moved = world.dataPath.revoke('moving');
        const second = Array.from({ length: 100 }, (_, index) => client.run(1, Buffer.alloc(5000 + index)));
        const results = await Promise.all([...first, ...second]);
        await moved;
        expect(results.map(({ output }) => output.length)).toEqual([
          ...Array.from({ length: 100 }, (_, index) => 1000 + index),
          ...Array.from({ length: 100 }, (_, index) => 5000 + index),
        ]);
        const prefixes = results.map(({ metadata }) => metadata[0]?.nonce?.[3]);
        expect(prefixes.at(-1)).toBe(8);
      },
      { locate: () => here.locationOf('moving') },
    );
  } finally {
    await other[Symbol.asyncDispose]();
  }
});

it('without an accelerator the host does what the session allows, and says so', async () => {
  await world.grant({ sessionUid: 'lenient', programs: PROGRAMS, hostFallback: true });
  const options = {
    locate: () => world.locationOf('lenient'),
    timeoutMilliseconds: 50,
    host: new HostEngine((id) => (id === 1 ? KEY : undefined)),
  };
  await withClient(async (client) => {
    await client.session();
    await world.dataPath.revoke('lenient');
    const input = Buffer.from('still done');
    const compressed = await client.run(3, input);
    expect([compressed.ranOn, gunzipSync(compressed.output).toString()]).toEqual(['HOST', 'still done']);
    expect((await client.run(1, input)).ranOn).toBe('HOST');
    await expect(client.run(4, input)).rejects.toMatchObject({ status: 'KEY_UNAVAILABLE' });
  }, options);
  await withClient(
    async (client) => {
      await client.session();
      await world.grant({ sessionUid: 'strict', programs: [program(9, step('COMPRESS', 'ZSTD'))] });
      await expect(client.run(3, Buffer.alloc(1))).resolves.toMatchObject({ ranOn: 'NATIVE_LIBRARY' });
    },
    { host: new HostEngine() },
  );
});

it('a key that is removed is gone for jobs that come after', async () => {
  await world.importKey('fleeting', 'AES_128_GCM', Buffer.alloc(16, 1));
  await world.grant({
    sessionUid: 'short',
    programs: [program(1, step('ENCRYPT', 'AES_128_GCM', 'fleeting'))],
  });
  await withClient(
    async (client) => {
      await client.run(1, Buffer.alloc(10));
      await world.dataPath.removeKey('fleeting');
      await expect(client.run(1, Buffer.alloc(10))).rejects.toMatchObject({ status: 'KEY_UNAVAILABLE' });
    },
    { locate: () => world.locationOf('short') },
  );
  expect(world.failures).toEqual([]);
});

it('whoever has a token that is worth nothing any more, or is another user than is let in, does not stay connected', async () => {
  const digestOf = (token: Uint8Array) => createHash('sha256').update(token).digest();
  const { directory, token } = world.locationOf('rotated');
  const successor = randomBytes(32);
  const grant = (tokens: readonly Uint8Array[], peerUid?: number) =>
    world.grant({
      sessionUid: 'rotated',
      programs: PROGRAMS,
      tokenDigests: tokens.map(digestOf),
      ...(peerUid !== undefined && { peerUid }),
    });
  const withToken = (of: Uint8Array, action: (client: AccelerationClient) => Promise<void>) =>
    withClient(action, { locate: () => ({ directory, token: of }) });
  const done = { ranOn: 'NATIVE_LIBRARY' };
  const refused = { status: 'UNAUTHENTICATED' };
  await grant([token, successor]);
  await withToken(token, (former) =>
    withToken(successor, async (later) => {
      for (const client of [former, later]) expect(await client.run(1, Buffer.alloc(10))).toMatchObject(done);
      await grant([successor]);
      await expect(former.run(1, Buffer.alloc(10))).rejects.toMatchObject(refused);
      expect(await later.run(1, Buffer.alloc(10))).toMatchObject(done);
      await grant([successor], 12_345);
      await expect(later.run(1, Buffer.alloc(10))).rejects.toMatchObject(refused);
    }),
  );
  // It is the same session: what it has done before still counts.
  const { sessions } = await world.dataPath.activity();
  expect(sessions.find(({ sessionUid }) => sessionUid === 'rotated')?.counters.completedJobs).toBe(3);
});

it('activity adds up what all threads did', async () => {
  await world.grant({ sessionUid: 'counted', programs: PROGRAMS });
  await withClient(
    (client) =>
      Promise.all(
        Array.from({ length: 30 }, (_, index) => client.run(index < 20 ? 1 : 3, Buffer.alloc(100))),
      ),
    { locate: () => world.locationOf('counted') },
  );
  const { sessions } = await world.dataPath.activity();
  const { counters } = sessions.find(({ sessionUid }) => sessionUid === 'counted') ?? {};
  expect(counters).toMatchObject({ completedJobs: 30, failedJobs: 0, inputBytes: 3000 });
  expect(counters?.latency.reduce((sum, count) => sum + count, 0)).toBe(30);
});
