import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { AccelerationClient } from '@outboard/acceleration-client';
import type { HeldSession } from '@outboard/acceleration-client/orchestrator';
import { AccelerationWorld } from './world.js';

const ENCRYPT = ['--operation', 'ENCRYPT', '--algorithm', 'AES_256_GCM'];
/** After which a module is skipped. */
const FAILURES = 8;

let world: AccelerationWorld;
let session: HeldSession;
let client: AccelerationClient;
let dpu: string;

beforeAll(async () => {
  world = await AccelerationWorld.start('accelo');
  await world.importKey('work', randomBytes(32));
  session = await world.createSession('work', {
    programs: [
      { id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'work' }] },
      { id: 2, steps: [{ operation: 'COMPRESS', algorithm: 'ZSTD' }] },
    ],
  });
  dpu = (await world.session('work')).status.dpu ?? '';
  client = world.client(session);
}, 120_000);
afterAll(async () => {
  client?.[Symbol.dispose]();
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const acceleration = (verb: string, ...args: readonly string[]): Promise<string> =>
  world.outboard('acceleration', verb, ...args, '--dpu', dpu);
const statistics = async () => JSON.parse(await acceleration('stats', '-o', 'json'));

it('an operator sees what threads, engines and sessions of a DPU do', async () => {
  for (let job = 0; job < 5; job++) await client.run(1, Buffer.alloc(1000));
  await client.run(2, Buffer.alloc(2000));
  expect(await statistics()).toMatchObject({
    injectsFaults: true,
    threads: [
      { lane: 'LIGHT', answers: true, connections: 1 },
      { lane: 'HEAVY', answers: true, connections: 1 },
    ],
    engines: [
      { module: 'libcrypto', algorithm: 'AES_256_GCM', jobs: '5', inputBytes: '5000' },
      { module: 'zstd', algorithm: 'ZSTD', jobs: '1', inputBytes: '2000' },
    ],
    sessions: [{ epoch: 1, weight: 1, connections: 2, completedJobs: '6' }],
  });
});

it('an engine that an operator has fail is replaced job by job, skipped, and told; no job is lost', async () => {
  await acceleration('inject', 'FAIL', ...ENCRYPT, '--module', 'libcrypto');
  for (let job = 0; job < FAILURES + 2; job++)
    expect(await client.run(1, Buffer.alloc(1000))).toMatchObject({ ranOn: 'RUNTIME', attempts: 1 });
  const { engines, faults } = await statistics();
  expect(engines).toContainEqual(
    expect.objectContaining({ module: 'libcrypto', failures: `${FAILURES}`, skipped: true }),
  );
  expect(faults).toMatchObject([{ injected: FAILURES }]);
  expect(await acceleration('clear')).toBe('no faults are in force\n');
});

it('a thread that an operator has hang is told; the other goes on, and its jobs end when that is cleared', async () => {
  await acceleration('inject', 'HANG', ...ENCRYPT);
  const waits = client.run(1, Buffer.alloc(1000));
  expect((await client.run(2, Buffer.alloc(2000))).attempts).toBe(1);
  const { threads } = await statistics();
  expect(threads).toMatchObject([{ lane: 'LIGHT' }, { lane: 'HEAVY', answers: true }]);
  expect(threads[0].answers ?? false).toBe(false);
  await acceleration('clear');
  expect((await waits).output).toHaveLength(1000);
});

it('the worth of a session is measured with its directory and its token', async () => {
  const token = join(world.stack.testbed.directory, 'token');
  writeFileSync(token, session.token.toString('hex'), { mode: 0o600 });
  const { socketDirectory = '' } = (await world.session('work')).status;
  const options = ['--directory', socketDirectory, '--token-file', token, '-o', 'json'];
  const { items } = JSON.parse(await world.outboard('acceleration', 'bench', '2', ...options));
  expect(items).toHaveLength(3);
  for (const item of items) {
    expect(item).toMatchObject({ program: 2, ranOn: 'NATIVE_LIBRARY' });
    expect(item.engineMegabytesPerSecond).toBeGreaterThan(0);
    expect(item.hostMegabytesPerSecond).toBeGreaterThan(0);
  }
});

it('while a thread stands still for long, its sessions go on at another DPU, and so does the job on it', async () => {
  const before = (await world.session('work')).status;
  dpu = before.dpu ?? '';
  await acceleration('inject', 'HANG', ...ENCRYPT);
  const { output, attempts } = await client.run(1, Buffer.alloc(1000));
  expect([output.length, attempts > 1]).toEqual([1000, true]);
  const { status } = await world.session('work');
  expect(status).toMatchObject({ epoch: before.epoch + 1 });
  expect(status.dpu).not.toBe(dpu);
  await acceleration('clear');
}, 90_000);
