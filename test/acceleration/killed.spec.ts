import { createDecipheriv, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { RunResult } from '@outboard/acceleration-client';
import type { HeldSession } from '@outboard/acceleration-client/orchestrator';
import { waitUntil } from '@outboard/testbed';
import { AccelerationWorld } from './world.js';

const SECRET = randomBytes(32);
const LOOPS = 8;
/** Jobs that end between two deaths. */
const JOBS_BETWEEN = 400;
/** Every process dies once, in this order; the worker is that of the session. */
const VICTIMS = ['acceleration-broker', 'dataplane-worker/dpu-a', 'nats', 'dataplane-worker/dpu-b'];
const PATIENCE_MILLISECONDS = 60_000;

let world: AccelerationWorld;
let session: HeldSession;

beforeAll(async () => {
  world = await AccelerationWorld.start('accelk');
  await world.importKey('load', SECRET);
  session = await world.createSession('load', {
    programs: [{ id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'load' }] }],
    dpu: undefined,
  });
}, 120_000);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

it('no job is lost or done twice, and no nonce comes again, while broker, bus and workers are killed', async () => {
  const client = world.client(session, { timeoutMilliseconds: PATIENCE_MILLISECONDS });
  const ended: { readonly input: Buffer; readonly result: RunResult }[] = [];
  let submitted = 0;
  let stopped = false;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const input = randomBytes(3000);
      submitted++;
      ended.push({ input, result: await client.run(1, input) });
    }
  };
  const load = Promise.all(Array.from({ length: LOOPS }, loop));
  const more = async (what: string): Promise<void> => {
    const goal = ended.length + JOBS_BETWEEN;
    await Promise.race([
      load,
      waitUntil(what, () => (ended.length >= goal ? undefined : `${ended.length}`), PATIENCE_MILLISECONDS),
    ]);
  };
  const { stack } = world.stack;
  await more('the load runs');
  for (const victim of VICTIMS) {
    await stack.kill(victim);
    await more(`jobs end without ${victim}`);
    await stack.restart(victim);
    await more(`jobs end with ${victim} again`);
  }
  stopped = true;
  await load;
  const { activity } = client;
  client[Symbol.dispose]();
  expect([ended.length, activity.accelerated, activity.failed, activity.onHost]).toEqual([
    submitted,
    submitted,
    0,
    0,
  ]);
  expect(activity.resubmitted).toBeGreaterThan(0);
  const nonces = new Set<string>();
  for (const { input, result } of ended) {
    const [sealed] = result.metadata;
    const nonce = sealed?.nonce ?? Buffer.alloc(0);
    nonces.add(Buffer.from(nonce).toString('hex'));
    const decipher = createDecipheriv('aes-256-gcm', SECRET, nonce);
    decipher.setAuthTag(sealed?.tag ?? Buffer.alloc(0));
    expect(Buffer.concat([decipher.update(result.output), decipher.final()]).equals(input)).toBe(true);
  }
  expect(nonces.size).toBe(ended.length);
  // Both DPUs were killed: it has left the one that it was on, once or, if that was the first, twice.
  const { status } = await world.session(session.name);
  expect(status.epoch).toBeGreaterThanOrEqual(2);
}, 240_000);
