import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { BREAKER_FAILURES, type Fault } from '@outboard/acceleration';
import { DataPathWorld, program, step } from '@outboard/acceleration/testing';
import { AccelerationClient, type ClientOptions, HostEngine } from '../src/index.js';

const ENCRYPT = { operation: 'ENCRYPT', algorithm: 'AES_256_GCM' } as const;
const PLAIN = Buffer.alloc(5000, 'plain');

let world: DataPathWorld;
beforeAll(async () => {
  world = await DataPathWorld.open();
  await world.importKey('k', 'AES_256_GCM', Buffer.alloc(32, 3));
  await world.grant({
    hostFallback: true,
    programs: [
      program(1, step('ENCRYPT', 'AES_256_GCM', 'k')),
      program(2, step('DECRYPT', 'AES_256_GCM', 'k')),
      program(3, step('COMPRESS', 'ZSTD')),
      program(4, step('GENERATE', 'SHA_256')),
    ],
  });
});
afterEach(() => world.dataPath.clearFaults());
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const inject = (fault: Partial<Fault> & Pick<Fault, 'kind'>): Promise<Fault> =>
  world.dataPath.inject({ ...ENCRYPT, module: '', count: 1, interval: 1, delayMilliseconds: 0, ...fault });

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

it('a module that fails is replaced by the next for each job, and skipped when it goes on; the result tells who did it', () =>
  withClient(async (client) => {
    await inject({ kind: 'FAIL', module: 'libcrypto', count: 0 });
    const nonces = new Set<string>();
    for (let job = 0; job < BREAKER_FAILURES + 2; job++) {
      const { ranOn, attempts, metadata } = await client.run(1, PLAIN);
      expect([ranOn, attempts]).toEqual(['RUNTIME', 1]);
      nonces.add(Buffer.from(metadata[0]?.nonce ?? []).toString('hex'));
    }
    const { engines, faults } = await world.dataPath.activity();
    expect(faults).toMatchObject([{ injected: BREAKER_FAILURES }]);
    expect(engines.find(({ module }) => module === 'libcrypto')).toMatchObject({
      failures: BREAKER_FAILURES,
      breaker: 'OPEN',
    });
    expect(nonces.size).toBe(BREAKER_FAILURES + 2);
  }));

it('what was corrupted on its way is noticed by whoever opens it', () =>
  withClient(async (client) => {
    await inject({ kind: 'CORRUPT' });
    const { output, metadata } = await client.run(1, PLAIN);
    await expect(client.run(2, output, { metadata })).rejects.toMatchObject({
      status: 'VERIFICATION_FAILED',
    });
  }));

it('a job whose completion is lost is done again, and ends once', () =>
  withClient(
    async (client) => {
      await inject({ kind: 'DROP' });
      const { attempts, metadata, output } = await client.run(1, PLAIN);
      expect(attempts).toBeGreaterThan(1);
      expect(client.activity).toEqual({ accelerated: 1, onHost: 0, resubmitted: attempts - 1, failed: 0 });
      expect(Buffer.compare((await client.run(2, output, { metadata })).output, PLAIN)).toBe(0);
    },
    { attemptMilliseconds: 200 },
  ));

it('while a thread stands still jobs are done on the host, other threads go on, and it is told', () =>
  withClient(async (patient) => {
    const sum = await patient.run(4, PLAIN);
    await inject({ kind: 'HANG', operation: 'GENERATE', algorithm: 'SHA_256' });
    const impatient = { attemptMilliseconds: 200, timeoutMilliseconds: 300, host: new HostEngine() };
    await withClient(async (client) => {
      await client.session();
      const onHost = await client.run(4, PLAIN);
      expect([onHost.ranOn, onHost.metadata]).toEqual(['HOST', sum.metadata]);
    }, impatient);
    expect((await patient.run(3, PLAIN)).ranOn).toBe('NATIVE_LIBRARY');
    const { threads } = await world.dataPath.activity();
    expect(threads).toMatchObject([{ lane: 'LIGHT', activity: undefined }, { lane: 'HEAVY' }]);
    await world.dataPath.clearFaults();
    expect((await patient.run(4, PLAIN)).ranOn).toBe('NATIVE_LIBRARY');
  }));
