import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AccelerationClient, type AcceleratorError } from '@outboard/acceleration-client';
import type { HeldSession } from '@outboard/acceleration-client/orchestrator';
import { waitUntil } from '@outboard/testbed';
import { AccelerationWorld, DPUS } from './world.js';

const ATTEMPT_MILLISECONDS = 100;
/** Jobs that are tried where the session was, once it is served elsewhere. */
const TRIES_AFTERWARDS = 20;

let world: AccelerationWorld;
let session: HeldSession;
let directories: readonly string[];

beforeAll(async () => {
  world = await AccelerationWorld.start('accelcut');
  session = await world.createSession('s', {
    programs: [{ id: 1, steps: [{ operation: 'GENERATE', algorithm: 'SHA_256' }] }],
  });
  directories = await world.directoriesOf(session);
}, 120_000);
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
}, 60_000);

const directoryOn = (dpu: string): string => directories[DPUS.findIndex(({ name }) => name === dpu)] ?? '';

/** Has a job done in one directory and nowhere else: `OK`, or the status of what went wrong. */
async function tryAt(directory: string): Promise<string> {
  const client = new AccelerationClient({
    locate: () => ({ directory, token: session.token }),
    timeoutMilliseconds: ATTEMPT_MILLISECONDS,
  });
  try {
    await client.run(1, Buffer.from('a job'));
    return 'OK';
  } catch (failure) {
    return (failure as AcceleratorError).status ?? String(failure);
  } finally {
    client[Symbol.dispose]();
  }
}

it('a worker that is cut off from the broker but not from its applications serves no job once another DPU serves the session', async () => {
  const home = (await world.session('s')).status.dpu ?? '';
  const former = directoryOn(home);
  const other = directories.find((directory) => directory !== former) ?? '';
  expect(await tryAt(former)).toBe('OK');
  await world.stack.testbed.setCable(home, 'management', 'pulled');
  // It serves on for the rest of its lease, then no more; only then somebody else does.
  const told: string[] = [];
  await waitUntil(
    'the session is served elsewhere',
    async () => {
      told.push(await tryAt(former));
      const there = await tryAt(other);
      return there === 'OK' ? undefined : there;
    },
    60_000,
  );
  for (let tries = 0; tries < TRIES_AFTERWARDS; tries++) expect(await tryAt(former)).toBe('UNAVAILABLE');
  expect(told[0]).toBe('OK');
  expect(told.at(-1)).toBe('UNAVAILABLE');
  const after = await world.session('s');
  expect(after.status).toMatchObject({ epoch: 2 });
  expect(after.status.dpu).not.toBe(home);

  await world.stack.testbed.setCable(home, 'management', 'plugged');
  await waitUntil(
    'the former DPU has let it go',
    () => (existsSync(former) ? `${former} is there` : undefined),
    60_000,
  );
  expect(await tryAt(other)).toBe('OK');
}, 120_000);

it('while broker and bus are away no worker serves longer than its lease, and each goes on as soon as they are back', async () => {
  const { dpu = '' } = (await world.session('s')).status;
  const directory = directoryOn(dpu);
  await world.stack.stack.kill('acceleration-broker');
  await waitUntil('its lease is over', async () =>
    (await tryAt(directory)) === 'UNAVAILABLE' ? undefined : 'it serves',
  );
  await world.stack.stack.restart('acceleration-broker');
  await waitUntil('it serves again', async () => {
    const status = await tryAt(directory);
    return status === 'OK' ? undefined : status;
  });
  expect((await world.session('s')).status).toMatchObject({ dpu, epoch: 2 });
}, 120_000);
