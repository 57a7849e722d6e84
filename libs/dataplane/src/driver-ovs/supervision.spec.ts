import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { NetworkNamespace } from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { OvsDriver } from './ovs-driver.js';
import { processIds, stopSwitch } from './processes.js';
import type { OvsSpec } from './realise/ovs-objects.js';

jest.setTimeout(60_000);

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const DOCUMENT = [
  d.egressGateway(),
  d.router(),
  d.bridgeDomain(NET),
  d.tunnelPeer(NET, '10.254.0.2'),
  d.endpoint('port-1', NET, {
    macAddress: '02:00:5e:00:10:01',
    representor: 'pf0vf0',
    ipAddresses: ['10.0.1.5', 'fd00:1::5'],
  }),
];

let testbed: Testbed;
let directory: string;
const open: AsyncDisposable[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'outboard-ovs-'));
  testbed = await Testbed.create({
    name: `v${process.pid.toString(36)}`,
    dpus: [{ name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 1 }],
  });
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
  await stopSwitch(directory);
  await testbed.dispose();
  rmSync(directory, { recursive: true });
});

async function openDriver(managed = true): Promise<OvsDriver> {
  const { plan } = testbed.dpu('dpu-1');
  const driver = await OvsDriver.open({
    directory,
    managed,
    underlayDevice: plan.underlay.device,
    namespace: NetworkNamespace.open({ name: plan.namespace }),
  });
  open.push(driver);
  return driver;
}

const settledFlows = async (driver: OvsDriver): Promise<number> =>
  (await driver.observe({ kind: 'all' })).filter(({ spec }) => spec.kind === 'flow').length;

it.each(['switch', 'database'] as const)(
  'a %s that is killed comes back with all that is wanted',
  async (which) => {
    const driver = await openDriver();
    const probe: EngineProbe<OvsSpec> = await EngineProbe.start(driver);
    open.push(probe);
    expect(await probe.apply(d.document(1, DOCUMENT))).toMatchObject({ problems: [] });
    const before = await settledFlows(driver);
    const pid = processIds(directory)[which];
    if (pid === undefined) throw new Error(`the ${which} does not run`);
    const from = probe.reports.length;
    process.kill(pid, 'SIGKILL');
    // Flows live in the switch alone; what is in the database outlives both.
    if (which === 'switch')
      await probe.until(({ repaired, problems }) => repaired > 0 && problems.length === 0, from);
    else await changeEverything(driver);
    await probe.engine.settled();
    expect(await settledFlows(driver)).toBe(before);
    expect(processIds(directory)[which]).not.toBe(pid);
  },
);

/** Resolves when the driver has another connection, after which nothing that was seen before holds. */
const changeEverything = (driver: OvsDriver): Promise<void> =>
  new Promise((resolve) => {
    const watch = driver.watch(({ kind }) => {
      if (kind !== 'everything') return;
      watch[Symbol.dispose]();
      resolve();
    });
  });

it('a switch of somebody else is used, not started', async () => {
  await expect(openDriver(false)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  expect(processIds(directory)).toEqual({});
  await openDriver();
  const ids = processIds(directory);
  await openDriver(false);
  expect(processIds(directory)).toEqual(ids);
});

it('a switch that serves the namespace before a restart of the DPU is replaced', async () => {
  await openDriver();
  const before = processIds(directory);
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
  await testbed.rebootDpu('dpu-1');
  const driver = await openDriver();
  const probe: EngineProbe<OvsSpec> = await EngineProbe.start(driver);
  open.push(probe);
  expect(await probe.apply(d.document(1, DOCUMENT))).toMatchObject({ problems: [] });
  const { database, switch: own } = processIds(directory);
  expect([database, own]).not.toEqual([before.database, before.switch]);
});
