import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { keyInfo } from '@outboard/acceleration';
import { openSealed, privateKeyFrom } from '@outboard/acceleration/testing';
import { AccelerationClient, newestOf } from '@outboard/acceleration-client';
import { applyKey, type HeldSession, sealVersion } from '@outboard/acceleration-client/orchestrator';
import { waitUntil } from '@outboard/testbed';
import { Traces } from './traces.js';
import { AccelerationWorld, DPUS } from './world.js';

const PROGRAMS = [{ id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'secret' }] }];
const FORMS = ['base64', 'base64url', 'hex', 'numbers', 'raw'];

const secret = randomBytes(32);
/** Comes instead of it. */
const successor = randomBytes(32);
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
/** The version of the key that a job was done with. */
const usedVersion = async (): Promise<number | undefined> => (await encrypt()).metadata[0]?.keyVersion;

/** That a secret is in the memory of this worker alone, as bytes, and in no file. */
function expectNowhereBut(bytes: Uint8Array, holder: string | undefined): void {
  const traces = new Traces(bytes);
  expect([...traces.inFiles(world.stack.testbed.directory)]).toEqual([]);
  expect([...traces.inFiles(world.stack.stack.accelerationDirectory(''))]).toEqual([]);
  for (const program of world.stack.stack.names) {
    expect([program, traces.inMemory(pidOf(program))]).toEqual([program, program === holder ? ['raw'] : []]);
  }
}
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
    expectNowhereBut(secret, worker(DPUS[0].name));
  });

  it('that was rotated away is nowhere; its successor is where it was', async () => {
    const { stack, acme } = world;
    const key = await acme.state.until(
      'the key',
      () => acme.state.get(acme.address('AccelerationKey', 'secret')),
      20_000,
    );
    const former = { ...(key.kind === 'AccelerationKey' ? key.spec.versions[0] : {}), state: 'DECRYPT_ONLY' };
    const dpus = [DPUS[0].name];
    const next = await sealVersion(() => stack.dpus(), acme, {
      name: 'secret',
      version: 2,
      secret: successor,
      dpus,
    });
    await applyKey(acme, 'secret', [former, next]);
    await waitUntil('jobs are done with the successor', async () =>
      (await usedVersion()) === 2 ? undefined : 'the former version',
    );
    const holder = worker(DPUS[0].name);
    const held = (bytes: Uint8Array) => new Traces(bytes).inMemory(pidOf(holder));
    expect([secret, successor].map(held)).toEqual([['raw'], ['raw']]);
    await applyKey(acme, 'secret', [next]);
    await waitUntil('the former is gone', () => (held(secret).length === 0 ? undefined : 'it is in memory'));
    expectNowhereBut(secret, undefined);
    expectNowhereBut(successor, holder);
  }, 120_000);

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
    for (const each of [secret, successor])
      expect(new Traces(each).inMemory(pidOf(worker(DPUS[0].name)))).toEqual([]);
  });

  it('that a DPU made is in the memory of that DPU alone, and on its disk only sealed; when it is deleted, nowhere', async () => {
    const { stack, acme } = world;
    const [{ name: dpu }] = DPUS;
    await applyKey(acme, 'secret', [{ version: 1, generatedOn: dpu }]);
    await waitUntil('jobs are done with it', () => encrypt().then(() => undefined, String));
    const { metadata } = await acme.state.until(
      'the key',
      () => acme.state.get(acme.address('AccelerationKey', 'secret')),
      20_000,
    );
    const file = (name: string) =>
      readFileSync(join(stack.testbed.directory, `dataplane-worker-${dpu}`, 'data', 'keys', name));
    const sealed = file(`generated.${metadata.uid}.1`);
    const info = keyInfo(
      { keyUid: metadata.uid, tenant: 'acme', sessionUid: '', algorithm: 'AES_256_GCM' },
      1,
    );
    const made = openSealed(
      privateKeyFrom(file('sealing-key')),
      { encapsulated: sealed.subarray(0, 32), ciphertext: sealed.subarray(32) },
      { info },
    );
    expect(made).toHaveLength(32);
    expectNowhereBut(made ?? Buffer.alloc(32), worker(dpu));
    // By this everybody can tell that it is that one, and nobody what it is.
    const fingerprint = createHash('sha256')
      .update('outboard acceleration key fingerprint 1\n')
      .update(made ?? Buffer.alloc(32))
      .digest('hex')
      .slice(0, 16);
    await waitUntil('its fingerprint is told', () => {
      const key = acme.state.get(acme.address('AccelerationKey', 'secret'));
      const told = key?.kind === 'AccelerationKey' ? key.status.versions[0]?.fingerprint : undefined;
      return told === fingerprint ? undefined : `${told}`;
    });
    await acme.delete('AccelerationKey', 'secret');
    await waitUntil('jobs fail', () =>
      encrypt().then(
        () => 'they are done',
        () => undefined,
      ),
    );
    expect(new Traces(made ?? Buffer.alloc(32)).inMemory(pidOf(worker(dpu)))).toEqual([]);
  }, 120_000);
});

it('a token is in no store, stream or log', () => {
  const traces = new Traces(session.token);
  expect([...traces.inFiles(world.stack.testbed.directory)]).toEqual([]);
  expect([...traces.inFiles(world.stack.stack.accelerationDirectory(''))]).toEqual([]);
  for (const program of ['nats', 'acceleration-broker', 'admin', 'network-intent']) {
    expect([program, traces.inMemory(pidOf(program))]).toEqual([program, []]);
  }
});
