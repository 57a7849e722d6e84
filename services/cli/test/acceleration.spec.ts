import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  AccelerationFault_Kind,
  type AccelerationFaultRequest,
  AccelerationStep_Operation,
} from '@outboard/contracts';
import { World } from './world.js';

const { ENCRYPT } = AccelerationStep_Operation;

/** What a worker tells after `seconds`: two sessions of weights 3 and 1 that have had engine time as 3 : 1. */
const statisticsAfter = (seconds: number) => ({
  incarnation: 'first',
  monotonicMicroseconds: BigInt(seconds * 1_000_000),
  threads: [
    { lane: 'LIGHT', index: 0, answers: true, queuedJobs: 5, connections: 2 },
    { lane: 'HEAVY', index: 0, answers: false },
  ],
  engines: [
    {
      operation: ENCRYPT,
      algorithm: 'AES_256_GCM',
      module: 'libcrypto',
      jobs: BigInt(4000 * seconds),
      inputBytes: BigInt(400_000_000 * seconds),
      engineMicroseconds: BigInt(200_000 * seconds),
      skipped: true,
    },
  ],
  sessions: [
    { sessionUid: 'light', weight: 1, share: 50_000, jobs: 1000 },
    { sessionUid: 'heavy', weight: 3, share: 150_000, jobs: 3000 },
  ].map(({ share, jobs, ...session }) => ({
    ...session,
    epoch: 2,
    connections: 1,
    queuedJobs: 2,
    completedJobs: BigInt(jobs * seconds),
    inputBytes: BigInt(jobs * 100_000 * seconds),
    engineMicroseconds: BigInt(share * seconds),
    latencyBuckets: [0n, 0n, 0n, 0n, 0n, 0n, 0n, BigInt(jobs * seconds), 0n],
  })),
});

let world: World;
beforeAll(async () => {
  world = await World.open();
  await world.registerDpu(1);
});
afterAll(async () => world[Symbol.asyncDispose]());

const cells = (text: string): string[][] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));

describe('outboard acceleration', () => {
  it('of a DPU whose worker serves none says so, and without a DPU or a verb that it needs one', async () => {
    const silent = await world.outboard('acceleration stats --dpu dpu-1');
    expect([silent.exitCode, silent.stderr]).toEqual([
      1,
      expect.stringContaining('no worker of dpu-1 answers for acceleration'),
    ]);
    expect((await world.outboard('acceleration stats')).stderr).toContain('--dpu: is required');
    expect((await world.outboard('acceleration go --dpu dpu-1')).exitCode).toBe(2);
  });
});

describe('outboard acceleration of a DPU that serves it', () => {
  let commands: readonly AccelerationFaultRequest[];
  beforeAll(async () => {
    commands = await world.showAcceleration(statisticsAfter(1), statisticsAfter(3));
  });

  it('top shows what was done between two looks, and who had which share of the engines beside the weights', async () => {
    const { stdout } = await world.outboard('acceleration top --dpu dpu-1 --every 1ms --rounds 1');
    const rows = cells(stdout);
    expect(rows).toContainEqual(['light-0', 'RUNNING', '5', '2']);
    expect(rows).toContainEqual(['heavy-0', 'STANDS STILL', '-', '-']);
    expect(rows).toContainEqual([
      'libcrypto',
      'ENCRYPT',
      'AES_256_GCM',
      'SKIPPED',
      '4000',
      '0',
      '400.0',
      '2000',
    ]);
    expect(rows.slice(-2)).toEqual([
      ['heavy', '2', '1', '2', '3000', '0', '300.0', '75 %', '75 %', '< 128 us', '< 128 us'],
      ['light', '2', '1', '2', '1000', '0', '100.0', '25 %', '25 %', '< 128 us', '< 128 us'],
    ]);
  });

  it('stats shows what was done since the threads began, for programs too', async () => {
    const { stdout } = await world.outboard('acceleration stats --dpu dpu-1 -o json');
    expect(JSON.parse(stdout)).toMatchObject({
      incarnation: 'first',
      sessions: [{ sessionUid: 'light', completedJobs: '3000' }, {}],
    });
  });

  it('a fault is injected as it is named, and cleared', async () => {
    const injected = await world.outboard(
      'acceleration inject delay --dpu dpu-1 --operation encrypt --algorithm aes_256_gcm --count 3 --delay 20ms',
    );
    expect(cells(injected.stdout)[1]).toEqual(['1', 'DELAY', 'ENCRYPT', 'AES_256_GCM', 'all', '3', '1', '0']);
    expect((await world.outboard('acceleration clear 1 --dpu dpu-1')).stdout).toBe(
      'no faults are in force\n',
    );
    expect(commands.map(({ command }) => command)).toMatchObject([
      { value: { kind: AccelerationFault_Kind.DELAY, operation: ENCRYPT, count: 3, delayMilliseconds: 20 } },
      { value: { id: '1' } },
    ]);
    const wrong = await world.outboard('acceleration inject BREAK --dpu dpu-1');
    expect(wrong.stderr).toContain('KIND: must be CORRUPT, FAIL, DELAY, DROP, HANG, not "BREAK"');
  });
});

describe('an acceleration session', () => {
  let world: World;
  const session = (spec: object) =>
    JSON.stringify({
      apiVersion: 'acceleration.outboard.dev/v1alpha1',
      kind: 'AccelerationSession',
      metadata: { tenant: 'acme', name: 's' },
      spec: { programs: [{ id: 1, steps: [{ operation: 'GENERATE', algorithm: 'CRC32C' }] }], ...spec },
    });

  beforeAll(async () => {
    world = await World.open();
    await world.registerDpu(0);
  });

  afterAll(async () => world[Symbol.asyncDispose]());

  it('is planned with the reason why it fits nowhere', async () => {
    const { stdout, exitCode } = await world.outboard('apply --dry-run -f -', { input: session({}) });
    expect(exitCode).toBe(0);
    expect(stdout).toContain('  it fits on 0 DPUs\n  not on 1\n    dpu-1 serves no acceleration\n');
  });

  it('gets a token from the CLI, unless its spec tells the digest of one', async () => {
    await world.outboard('apply -f -', { input: session({}) });
    const token = () => world.outboard('-t acme acceleration token s');
    const first = await token();
    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    expect(first.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect((await token()).stdout).not.toBe(first.stdout);
    await world.outboard('apply -f -', { input: session({ tokenSha256: 'ab'.repeat(32) }) });
    expect(await token()).toMatchObject({ exitCode: 1, stdout: '' });
    expect(await world.outboard('acceleration token s')).toMatchObject({ exitCode: 2 });
  });
});
