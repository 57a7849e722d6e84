import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Dpu } from '../places.js';
import type { Pod } from '../pod.js';
import type { Testbed } from '../testbed.js';
import { bridgedPods, setRepresentor } from '../testing.js';
import { waitConnected } from './ping.js';
import { TcpBulk } from './tcp-bulk.js';
import { waitUntil } from './wait.js';

let testbed: Testbed;
let dpu: Dpu;
let from: Pod;
let to: Pod;

beforeAll(async () => {
  const world = await bridgedPods(2);
  ({ testbed, dpu } = world);
  [from, to] = world.pods as [Pod, Pod];
  await waitConnected(world.pods);
});

afterAll(() => testbed.dispose());

const flows = (bulk: TcpBulk, since = { forward: 0, backward: 0 }): Promise<void> =>
  waitUntil('bytes arrive in both directions', () =>
    bulk.bytes('forward') > since.forward + 1e6 && bulk.bytes('backward') > since.backward + 1e6
      ? undefined
      : 'they do not',
  );

it('bulk TCP fills both directions', async () => {
  const bulk = await TcpBulk.start(testbed, { from, to });
  await flows(bulk);
  const report = await bulk.stop();
  expect(report.failure).toBeUndefined();
  for (const direction of [report.forward, report.backward]) {
    expect(direction?.bytes).toBeGreaterThan(1e6);
    expect(direction?.intervals.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(direction?.bytes);
  }
});

it('bulk TCP in one direction has one report', async () => {
  const bulk = await TcpBulk.start(testbed, { from, to, directions: ['forward'] });
  await waitUntil('bytes arrive', () => (bulk.bytes('forward') > 0 ? undefined : 'none'));
  expect(await bulk.stop()).toMatchObject({ backward: undefined, failure: undefined });
});

it('an outage is a stall, and the connection survives it', async () => {
  const bulk = await TcpBulk.start(testbed, { from, to });
  await flows(bulk);
  await setRepresentor(dpu, 1, false);
  // Three intervals without a byte.
  await waitUntil('the flow stands still', () => {
    const last = bulk.report.forward?.intervals.slice(-3) ?? [];
    return last.length === 3 && last.every(({ bytes }) => bytes === 0) ? undefined : 'it flows';
  });
  const since = { forward: bulk.bytes('forward'), backward: bulk.bytes('backward') };
  await setRepresentor(dpu, 1, true);
  await flows(bulk, since);
  const report = await bulk.stop();
  expect(report.failure).toBeUndefined();
  expect(report.forward?.stalls.some(({ milliseconds }) => milliseconds >= 200)).toBe(true);
});

it('a connection that breaks is told', async () => {
  const bulk = await TcpBulk.start(testbed, { from, to });
  await flows(bulk);
  const listener = [...testbed.programs].find(({ name }) => /^tcp-bulk-\d+-listen$/.test(name));
  await listener?.kill();
  await waitUntil('the other end notices', () => (bulk.report.failure === undefined ? 'not yet' : undefined));
  expect(await bulk.stop()).toMatchObject({ failure: expect.stringMatching(/^E(CONNRESET|PIPE)$/) });
});

it('where nothing can be reached it does not start', async () => {
  await expect(TcpBulk.start(testbed, { from, to, ip: '192.0.2.1' })).rejects.toThrow(/ENETUNREACH/);
  expect([...testbed.programs].filter(({ name }) => name.startsWith('tcp-bulk'))).toEqual([]);
});
