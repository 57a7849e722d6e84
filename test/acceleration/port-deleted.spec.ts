import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AccelerationClient, newestOf } from '@outboard/acceleration-client';
import type { HeldSession } from '@outboard/acceleration-client/orchestrator';
import { waitUntil } from '@outboard/testbed';
import { Traces } from './traces.js';
import { AccelerationWorld, DPUS } from './world.js';

const ATTEMPT_MILLISECONDS = 200;
const PROGRAMS = [{ id: 1, steps: [{ operation: 'ENCRYPT', algorithm: 'AES_256_GCM', key: 'secret' }] }];
const PORT = 'web-0';

const secret = randomBytes(32);

let world: AccelerationWorld;
const clients: AccelerationClient[] = [];

beforeAll(async () => {
  world = await AccelerationWorld.start('accelport');
  const { acme } = world;
  await acme.apply(
    { kind: 'Network', metadata: { name: 'blue' }, spec: {} },
    { kind: 'Subnet', metadata: { name: 'blue-v4' }, spec: { network: 'blue', cidr: '10.0.1.0/24' } },
  );
  await world.importKey('secret', secret);
}, 120_000);
afterAll(async () => {
  for (const client of clients) client[Symbol.dispose]();
  await world?.[Symbol.asyncDispose]();
}, 60_000);

/** A port on the first DPU, with a session for it that encrypts with the key. */
async function connect(name: string): Promise<HeldSession> {
  const [{ serialNumber, pfMacAddress }] = DPUS;
  await world.acme.apply({
    kind: 'Port',
    metadata: { name: PORT },
    spec: { network: 'blue', function: { serialNumber, pfMacAddress, vfNumber: 0 } },
  });
  await world.acme.ready(PORT);
  const session = await world.createSession(name, { programs: PROGRAMS, holder: { port: PORT } });
  expect((await world.session(name)).status.dpu).toBe(DPUS[0].name);
  return session;
}

/** A client that has a job done with it and keeps its connection. */
async function connectedClient(session: HeldSession): Promise<AccelerationClient> {
  const client = new AccelerationClient({
    locate: newestOf(await world.directoriesOf(session), session.token),
    timeoutMilliseconds: ATTEMPT_MILLISECONDS,
  });
  clients.push(client);
  expect((await client.run(1, Buffer.from('a job'))).output).toHaveLength(5);
  return client;
}

const outcomeOf = (client: AccelerationClient): Promise<string> =>
  client.run(1, Buffer.from('a job')).then(
    () => 'OK',
    (failure: { status?: string }) => failure.status ?? String(failure),
  );

const tracesIn = (dpu: string): readonly string[] =>
  new Traces(secret).inMemory(world.stack.stack.program(`dataplane-worker/${dpu}`).pid ?? -1);

/** Nobody can use the session any more, nothing of it is left at its DPU, and the log of events says why. */
async function expectEnded(
  name: string,
  client: AccelerationClient,
  directory: string,
  why: string,
): Promise<void> {
  await waitUntil('the session is gone', () =>
    world.acme.state.get(world.acme.address('AccelerationSession', name)) ? 'it is there' : undefined,
  );
  await waitUntil('its DPU has let it go', () => (existsSync(directory) ? 'it is there' : undefined));
  await waitUntil('its key is zeroed there', () => {
    const traces = tracesIn(DPUS[0].name);
    return traces.length === 0 ? undefined : traces.join(', ');
  });
  expect(await outcomeOf(client)).not.toBe('OK');
  const lines = await world.outboard('events', 'accelerationsession', name, '--tenant', 'acme', '-o', 'json');
  const { transition, message } = JSON.parse(lines.trim().split('\n').at(-1) ?? '{}');
  expect([transition, message]).toEqual(['deleted', `PortDeleted: ${why}`]);
}

it('a session whose port is deleted ends at once: its connections, its sockets, and the keys that nobody else uses', async () => {
  const session = await connect('one');
  const client = await connectedClient(session);
  expect(tracesIn(DPUS[0].name)).toEqual(['raw']);
  const [directory = ''] = await world.directoriesOf(session);
  await world.acme.delete('Port', PORT);
  await expectEnded('one', client, directory, `port ${PORT} was deleted`);
}, 90_000);

it('what is deleted, and made anew under the same name, while the broker is away ends when that comes back; another session goes with the new one', async () => {
  const session = await connect('two');
  const client = await connectedClient(session);
  const [directory = ''] = await world.directoriesOf(session);
  await world.stack.stack.kill('acceleration-broker');
  const [{ serialNumber, pfMacAddress }] = DPUS;
  await world.acme.delete('Port', PORT);
  await world.acme.apply({
    kind: 'Port',
    metadata: { name: PORT },
    spec: { network: 'blue', function: { serialNumber, pfMacAddress, vfNumber: 1 } },
  });
  await world.stack.stack.restart('acceleration-broker');
  await expectEnded('two', client, directory, `port ${PORT} was deleted, and made anew since`);
  const successor = await world.createSession('three', { programs: PROGRAMS, holder: { port: PORT } });
  expect(await outcomeOf(await connectedClient(successor))).toBe('OK');
}, 90_000);
