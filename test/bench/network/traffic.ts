/**
 * TCP between pods: on one DPU, across DPUs, between the networks of a router; with policies at both ends and without; with
 * each driver (`--driver=linux` or `ovs`: that one alone), against the same path made by hand. All paths stand at once and are
 * measured in turn, in short runs.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine } from '@outboard/dataplane';
import { type Dpu, TcpBulk, Testbed, waitReachable } from '@outboard/testbed';
import { type BenchDrivers, linuxDrivers, switchDirectory, switchDrivers } from '../drivers.js';
import { inRounds, median, note, report } from '../report.js';
import { sized } from '../sizes.js';
import { bareLinux, bareOpenVswitch } from './bare-paths.js';
import {
  BENCH_PORTS,
  GATEWAY_MAC,
  MTU,
  type PathSet,
  type Role,
  SETS,
  trafficDocument,
} from './traffic-document.js';

const ROUNDS = sized(9, 1);
const RUN_MILLISECONDS = sized(700, 300);
const BAR = 0.8;
const DPUS = ['dpu-1', 'dpu-2'];
const PATHS = { near: 'on one DPU', far: 'across DPUs', routed: 'between networks' } as const;

/** A driver, and the paths that are compared with its own. */
interface Contender {
  readonly drivers: BenchDrivers;
  bare(dpu: Dpu, peer: string, testbed: Testbed): void;
}

const linux = (name: string): Contender => ({ drivers: linuxDrivers(name), bare: bareLinux });

const openVswitch: Contender = {
  drivers: switchDrivers,
  bare: (dpu, peer, testbed) => bareOpenVswitch(dpu, peer, switchDirectory(dpu, testbed)),
};

/** Pods for all ports, each of which knows its gateway. */
async function attachPods(testbed: Testbed): Promise<void> {
  for (const { name, dpu: home, vf, network, ip, mac } of BENCH_PORTS) {
    const dpu = testbed.dpu(home);
    const pod = await testbed.createPod({ name, host: dpu.host.name });
    const gateway = `10.77.${network}.1`;
    await pod.attach(dpu, vf, {
      mtu: MTU,
      macAddress: mac,
      addresses: [{ ip, prefixLength: 24, gateway }],
    });
    // A path made by hand answers no questions.
    pod.namespace.run(() =>
      execFileSync('ip', ['neigh', 'replace', gateway, 'lladdr', GATEWAY_MAC, 'dev', 'eth0']),
    );
  }
}

/** Gbit/s from the pod of that role to the server of the same set. */
async function throughput(testbed: Testbed, set: PathSet, role: Role): Promise<number> {
  const [from, to] = [testbed.pod(`${set}-${role}`), testbed.pod(`${set}-server`)];
  const bulk = await TcpBulk.start(testbed, { from, to, directions: ['forward'] });
  await systemClock.delay(RUN_MILLISECONDS);
  const { forward, failure } = await bulk.stop();
  if (forward === undefined) throw new Error(`no traffic from ${from.name}: ${failure}`);
  return forward.bitsPerSecond / 1e9;
}

async function measure(driverName: string, name: string, contender: Contender): Promise<void> {
  const testbed = await Testbed.create({
    name,
    dpus: DPUS.map((dpu, index) => ({
      name: dpu,
      serialNumber: `S${index}`,
      pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
      functions: 9,
      checksumOffload: contender.drivers.checksumOffload,
    })),
  });
  const underlayOf = (dpu: string): string => testbed.dpu(dpu).plan.underlay.addresses[0]?.ip ?? '';
  const open: AsyncDisposable[] = [];
  try {
    let policies = true;
    for (const dpu of testbed.dpus.values()) {
      const driver = await contender.drivers.open(dpu, testbed);
      open.unshift(driver);
      policies = driver.capabilities().every((each) => each.name !== 'policies' || each.available);
      const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
      open.unshift(engine);
      engine.onReport(({ problems }) => {
        for (const { key, message } of problems) note(`${dpu.name}: ${key} ${message}`);
      });
      await engine.start();
      const version = { epoch: 'bench', sequence: 1n, digest: new Uint8Array(16) };
      const complete = new Map(trafficDocument(dpu.name, underlayOf, policies));
      engine.submit({ owner: 'network', version, complete });
      await engine.settled();
      contender.bare(dpu, underlayOf(dpu.name === 'dpu-1' ? 'dpu-2' : 'dpu-1'), testbed);
    }
    await attachPods(testbed);
    const sets = SETS.filter((set) => set !== 'policed' || policies);
    for (const [role, where] of Object.entries(PATHS) as [keyof typeof PATHS, string][]) {
      for (const set of sets) {
        const server = BENCH_PORTS.find((port) => port.set === set && port.role === 'server');
        await waitReachable(testbed.pod(`${set}-${role}`), server?.ip ?? '');
      }
      const values = await inRounds(
        ROUNDS,
        Object.fromEntries(sets.map((set) => [set, () => throughput(testbed, set, role)])) as Record<
          PathSet,
          () => Promise<number>
        >,
      );
      for (const set of sets.slice(1)) {
        const ratio = median(values[set].map((value, round) => value / (values.bare[round] ?? Number.NaN)));
        const what = set === 'policed' ? ', 8 rules each way at both ends' : '';
        report({
          bench: 'network',
          metric: `${driverName}: TCP ${where}${what}`,
          value: median(values[set]),
          unit: 'Gbit/s',
          baseline: median(values.bare),
          ratio,
          bar: `ratio >= ${BAR}`,
          ok: ratio >= BAR,
        });
      }
    }
  } finally {
    for (const each of open) await each[Symbol.asyncDispose]();
    await testbed.dispose();
  }
}

const { driver: chosen } = parseArgs({ strict: false, options: { driver: { type: 'string' } } }).values;
if (chosen !== undefined && chosen !== 'linux' && chosen !== 'ovs')
  throw new RangeError('--driver: must be linux or ovs');
const name = `t${process.pid.toString(36)}`;
if (chosen !== 'ovs') await measure('linux', `${name}l`, linux(`${name}l`));
if (chosen !== 'linux') await measure('ovs', `${name}o`, openVswitch);
