import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AccelerationClient, newestOf } from '@outboard/acceleration-client';
import type { HeldSession } from '@outboard/local-stack';
import { Traces } from './traces.js';
import { AccelerationWorld, DPUS } from './world.js';

const PROGRAMS = [{ id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'secret' }] }];
const FORMS = ['base64', 'base64url', 'hex', 'numbers', 'raw'];

const secret = randomBytes(32);
/** What is planted: shows that it would be found. */
const planted = Buffer.concat([Buffer.alloc(1), randomBytes(30), Buffer.alloc(1)]);

let world: AccelerationWorld;
let session: HeldSession;
let client: AccelerationClient;

beforeAll(async () => {
  world = await AccelerationWorld.start('secrecy');
  await world.importKey('secret', secret);
  session = await world.createSession('holder', { programs: PROGRAMS, dpu: DPUS[0].name });
  client = new AccelerationClient({
    locate: newestOf(await world.directoriesOf(session), session.token),
    timeoutMilliseconds: 2_000,
  });
}, 120_000);

afterAll(async () => {
  client?.[Symbol.dispose]();
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const encrypt = () => client.run(1, Buffer.from('what is to be kept'));
const worker = (dpu: string): string => `dataplane-worker/${dpu}`;
const pidOf = (program: string): number => world.stack.stack.program(program).pid ?? -1;

describe('a key', () => {
  it('that is planted is found in every form: in files, in a stream with its store, and in memory', async () => {
    const traces = new Traces(planted);
    const file = join(world.stack.testbed.directory, 'planted');
    const texts = [planted.toString('hex'), planted.toString('base64'), `[${[...planted].join(', ')}]`];
    for (const text of [...texts, `x${planted.toString('base64url')}`, planted.toJSON().data.join(',')]) {
      writeFileSync(file, text, { flag: 'a' });
    }
    writeFileSync(file, planted, { flag: 'a' });
    expect(traces.inFiles(world.stack.testbed.directory).get(file)).toEqual(FORMS);
    // A label is stored, published, and in the memory of whoever handles it.
    const labels = { planted: `x${planted.toString('hex').slice(2, 62)}` };
    await world.acme.apply({
      kind: 'AccelerationProfile',
      metadata: { name: 'planted', labels },
      spec: { programs: [{ id: 1, steps: [{ operation: 'GENERATE', algorithm: 'CRC32C' }] }] },
    });
    const label = new Traces(planted.subarray(1, 31));
    const files = [...label.inFiles(world.stack.testbed.directory).keys()].join('\n');
    expect(files).toMatch(/acceleration-broker\.sqlite/);
    expect(files).toMatch(/nats.*OUTBOARD_STATE/);
    for (const program of ['nats', 'acceleration-broker']) {
      expect([program, label.inMemory(pidOf(program))]).toEqual([program, ['hex']]);
    }
  });

  it('that is in use is in no store, stream or log, and in the memory of its worker alone, as bytes', async () => {
    const { output } = await encrypt();
    expect(output.length).toBe(18);
    const traces = new Traces(secret);
    expect([...traces.inFiles(world.stack.testbed.directory)]).toEqual([]);
    expect([...traces.inFiles(world.stack.stack.accelerationDirectory(''))]).toEqual([]);
    for (const program of world.stack.stack.names) {
      const expected = program === worker(DPUS[0].name) ? ['raw'] : [];
      expect([program, traces.inMemory(pidOf(program))]).toEqual([program, expected]);
    }
  });

  it('that is revoked while it is used is nowhere, and jobs with it fail', async () => {
    await world.acme.delete('AccelerationKey', 'secret');
    for (;;) {
      const outcome = await encrypt().then(
        () => 'done',
        (failure: { status?: string }) => failure.status,
      );
      if (outcome === 'done') continue;
      expect(outcome).toBe('KEY_UNAVAILABLE');
      break;
    }
    expect(new Traces(secret).inMemory(pidOf(worker(DPUS[0].name)))).toEqual([]);
  });
});

it('a token is in no store, stream or log', () => {
  const traces = new Traces(session.token);
  expect([...traces.inFiles(world.stack.testbed.directory)]).toEqual([]);
  expect([...traces.inFiles(world.stack.stack.accelerationDirectory(''))]).toEqual([]);
  for (const program of ['nats', 'acceleration-broker', 'admin', 'network-intent']) {
    expect([program, traces.inMemory(pidOf(program))]).toEqual([program, []]);
  }
});
