import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connectNats, STREAMS, type StreamBus } from '@outboard/bus';
import { StateCache } from '@outboard/client';
import { unwrap } from '@outboard/core';
import { isReady } from '@outboard/model';
import { Program, SERVICE_FLAGS } from '@outboard/testbed';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { Fleet } from './fleet.js';

jest.setTimeout(60_000);

const DPUS = 5;
const READY_MILLISECONDS = 30_000;
const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const main = (service: string): string =>
  fileURLToPath(new URL(`../../${service}/dist/main.js`, import.meta.url));

describe('a fleet of simulated DPUs, with the real services on a real broker', () => {
  let directory: string;
  let server: NatsServer;
  let bus: StreamBus;
  let state: StateCache;
  let services: Program[];
  let fleet: Fleet;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'outboard-fleet-'));
    server = await startNatsServer();
    bus = await connectNats({ servers: server.url, name: 'test' });
    unwrap(await bus.streams.provision(STREAMS, 'apply'));
    services = ['admin', 'network-intent'].map(
      (name) =>
        new Program({
          name,
          command: [process.execPath, ...SERVICE_FLAGS, main(name)],
          logFile: join(directory, `${name}.log`),
          environment: { OUTBOARD_NATS_URL: server.url, OUTBOARD_DATA_DIRECTORY: join(directory, name) },
        }),
    );
    for (const service of services) await service.start();
    state = await StateCache.open(bus);
    fleet = new Fleet({ servers: server.url, directory, first: 7, count: DPUS, functions: 2, log: SILENT });
  });
  afterAll(async () => {
    await fleet[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    for (const service of services) await service.dispose();
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  /** The incarnations of the DPUs that are ready, by name. */
  const incarnations = (): Map<string, string> =>
    new Map(
      [...state.values()].flatMap((resource): [string, string][] =>
        resource.kind === 'Dpu' && isReady(resource.status.conditions)
          ? [[resource.metadata.name, resource.status.incarnation ?? '']]
          : [],
      ),
    );

  it('registers every DPU under its number, and is told how many run', async () => {
    const told: number[] = [];
    await fleet.start((running) => told.push(running));
    await state.until('all DPUs are ready', () => incarnations().size === DPUS, READY_MILLISECONDS);
    expect([...incarnations().keys()].sort()).toEqual(['sim-10', 'sim-11', 'sim-7', 'sim-8', 'sim-9']);
    expect(told.at(-1)).toBe(DPUS);
    expect(fleet.running).toBe(DPUS);
  });

  it('reboots as many as it is asked to: they come back as another incarnation, the others stay', async () => {
    const before = incarnations();
    await fleet.reboot(2);
    await state.until(
      'two DPUs have booted again',
      () =>
        incarnations().size === DPUS &&
        [...incarnations()].filter(([name, boot]) => before.get(name) !== boot).length === 2,
      READY_MILLISECONDS,
    );
    expect(fleet.running).toBe(DPUS);
  });
});
