import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Fleet } from './fleet.js';
import { FleetClient } from './fleet-client.js';
import { MIX, type MixPart, type MixSummary, runMix } from './mix.js';
import type { Percentiles } from './percentiles.js';
import { FleetServices } from './testing/fleet-services.js';

jest.setTimeout(180_000);

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const FUNCTIONS = 8;

describe('the load of a fleet', () => {
  let services: FleetServices;
  let open: AsyncDisposable[] = [];

  beforeAll(async () => {
    services = await FleetServices.start();
  });
  afterEach(async () => {
    for (const each of open.reverse()) await each[Symbol.asyncDispose]();
    open = [];
  });
  afterAll(() => services[Symbol.asyncDispose]());

  /** A fleet of four, `first` and up, with what wants something of it, and what is told. */
  async function loaded(
    first: number,
    parts: readonly MixPart[],
    signal = new AbortController().signal,
    heard: (event: string) => void = () => {},
  ) {
    const fleet = new Fleet({
      servers: services.url,
      directory: services.directory,
      first,
      count: 4,
      functions: FUNCTIONS,
      log: SILENT,
    });
    const client = await FleetClient.open(services.bus, {
      tenant: 'fleet',
      first,
      dpus: 4,
      functions: FUNCTIONS,
    });
    open.push(client, fleet);
    const told: string[] = [];
    const options = { parts: new Set(parts), seconds: 3, rate: 10, rebooting: 2, signal };
    const summary = await runMix(fleet, client, options, (event) => {
      told.push(event);
      heard(event);
    });
    return { fleet, client, summary, told };
  }

  const isOrdered = ({ p50 = 0, p90 = 0, p99 = 0, max = 0 }: Percentiles): boolean =>
    p50 <= p90 && p90 <= p99 && p99 <= max;

  it('is of all parts at once: each has happened, with its times, and nothing has failed', async () => {
    const { summary, told, fleet } = await loaded(1, MIX);
    const { boot, pods, policies, reboot } = summary;
    expect(boot?.count).toBe(4);
    expect(pods?.count).toBe(24);
    expect(reboot?.count).toBeGreaterThanOrEqual(2);
    expect([boot, pods, policies, reboot].every((times) => times !== undefined && isOrdered(times))).toBe(
      true,
    );
    expect(summary.failures).toEqual([]);
    expect(summary.intents).toBe(2 * 24 + 6);
    expect(fleet.bootsOf(1)).toBeGreaterThan(1);
    expect(told).toEqual(expect.arrayContaining(['ready', 'preparing', 'loading', 'rebooted', 'removing']));
  });

  it('leaves nothing behind of what it made', async () => {
    const { client } = await loaded(11, ['pods']);
    for (const [kind, name] of [
      ['Port', 'ten-resident-11'],
      ['SecurityPolicy', 'ten-net-0-policy'],
      ['AddressSet', 'ten-net-0-set'],
      ['Subnet', 'ten-net-0-v4'],
      ['Network', 'ten-net-0'],
      ['Router', 'ten-router-0'],
    ] as const)
      await client.state.until(kind, client.named(name), (resource) => resource === undefined);
  });

  it('is of those parts only that are asked for', async () => {
    const { summary, fleet } = await loaded(21, ['policies']);
    expect(Object.keys(summary).sort()).toEqual(['failures', 'intents', 'intentsPerSecond', 'policies']);
    // Of every third change, that of a label, nobody tells when it is known everywhere.
    expect(summary.policies?.count).toBe(20);
    expect(fleet.bootsOf(21)).toBe(1);
  });

  it('ends early when it is told to, with what was until then, and leaves nothing behind either', async () => {
    const end = new AbortController();
    const { summary, told } = await loaded(31, MIX, end.signal, (event) => {
      if (event === 'loading') end.abort();
    });
    expect(summary.boot?.count).toBe(4);
    expect(summary.intents).toBeLessThan(10);
    expect(told.at(-1)).toBe('removing');
  });

  it('is what the command does: it tells its progress and its times, as JSON where that is asked for', async () => {
    const options = ['--dpus', '3', '--first', '41', '--functions', '8', '--seconds', '2', '--rate', '5'];
    const latency = ['--latency', 'call=1,operation=0.1,jitter=0.5'];
    const args = [MAIN, ...options, ...latency, '--nats', services.url, '-o', 'json'];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [output, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.once('exit', resolve)),
    ]);
    // A DPU that nobody knows yet is told so.
    expect({ code, errors }).toEqual({ code: 0, errors: expect.not.stringMatching(/"event":"error"/) });
    const events = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string } & MixSummary);
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['ready', 'loading', 'removing']),
    );
    const summary = events.at(-1);
    expect(summary).toMatchObject({ event: 'summary', failures: [], boot: { count: 3 }, pods: { count: 8 } });
  });
});
