/**
 * What a service chain costs the packets that go through it: TCP and the round trip of pings with one hop and with two, against the
 * same path without; and how long it takes until a hop that goes down, or comes up, counts. A hop is the
 * least that there can be: a bridge of the kernel between two ports of a pod.
 */
import { execFileSync } from 'node:child_process';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, objectKeys } from '@outboard/contracts';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, type DataplaneEngine, HopHealthBoard } from '@outboard/dataplane';
import { type Pod, ping, TcpBulk, Testbed, waitReachable } from '@outboard/testbed';
import { type BenchDrivers, linuxDrivers, switchDrivers } from '../drivers.js';
import { interleave, median, note, report } from '../report.js';
import { sized } from '../sizes.js';

const BENCH = 'admin';
const ROUNDS = sized(7, 1);
const RUN_MILLISECONDS = sized(700, 300);
const PINGS = sized(200, 5);
const FAILURES = sized(21, 2);
const BAR_MILLISECONDS = 1000;
const MTU = 1450;
const ROUTER = objectKeys.router('acme', 'main');
const NETWORK = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const SERVER = '10.77.1.10';

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;

/** Clients by how many hops lie between them and the server. */
const CLIENTS = { plain: 0, 'one hop': 1, 'two hops': 2 } as const;
type Client = keyof typeof CLIENTS;

interface BenchPort {
  readonly uid: string;
  readonly pod: string;
  readonly device: string;
  readonly vf: number;
}
const port = (uid: string, vf: number, pod = uid, device = 'eth0'): BenchPort => ({ uid, vf, pod, device });
const PORTS: readonly BenchPort[] = [
  port('server', 0),
  ...Object.keys(CLIENTS).map((client, index) => port(client.replace(' ', '-'), 1 + index)),
  ...[1, 2].flatMap((hop) => [
    port(`hop-${hop}-in`, 2 + 2 * hop, `hop-${hop}`, 'eth0'),
    port(`hop-${hop}-out`, 3 + 2 * hop, `hop-${hop}`, 'eth1'),
  ]),
];
const ipOf = ({ vf }: BenchPort): string => `10.77.1.${10 + vf}`;
const macOf = ({ vf }: BenchPort): string => `02:00:5e:00:77:0${vf}`;
const chainOf = (hops: number): string => objectKeys.serviceChain(`chain-${hops}`, 'main');
const hopsOf = (uid: string): number => CLIENTS[uid.replace('-', ' ') as Client] ?? 0;

const entry = (key: string, object: ObjectInit): [string, Uint8Array] => [
  key,
  toBinary(
    DataplaneObjectSchema,
    create(DataplaneObjectSchema, { source: { kind: 'Port', tenant: 'acme', name: 'bench' }, object }),
  ),
];

const document = (failOpen: boolean): ReadonlyMap<string, Uint8Array> =>
  new Map([
    entry(ROUTER, { case: 'router', value: { tenant: 'acme', name: 'main' } }),
    entry(objectKeys.bridgeDomain(NETWORK), {
      case: 'bridgeDomain',
      value: { networkUid: NETWORK, router: ROUTER, vni: 77, mtu: MTU },
    }),
    ...[1, 2].map((count) =>
      entry(chainOf(count), {
        case: 'serviceChain',
        value: {
          chainUid: `chain-${count}`,
          destinations: [`${SERVER}/32`],
          hops: [1, 2].slice(0, count).map((hop) => ({
            name: `hop-${hop}`,
            ingressPortUid: `hop-${hop}-in`,
            egressPortUid: `hop-${hop}-out`,
          })),
          failOpen,
        },
      }),
    ),
    ...PORTS.map((each) =>
      entry(objectKeys.endpoint(each.uid), {
        case: 'endpoint',
        value: {
          portUid: each.uid,
          networkUid: NETWORK,
          representor: `pf0vf${each.vf}`,
          macAddress: macOf(each),
          ipAddresses: [ipOf(each)],
          adminUp: true,
          serviceChains: hopsOf(each.uid) > 0 ? [chainOf(hopsOf(each.uid))] : [],
        },
      }),
    ),
  ]);

async function attachPods(testbed: Testbed): Promise<void> {
  const dpu = testbed.dpu('dpu-1');
  for (const each of PORTS) {
    const pod =
      testbed.pods.get(each.pod) ?? (await testbed.createPod({ name: each.pod, host: dpu.host.name }));
    const isHop = each.pod !== each.uid;
    const addresses = isHop ? [] : [{ ip: ipOf(each), prefixLength: 24 }];
    await pod.attach(dpu, each.vf, { mtu: MTU, macAddress: macOf(each), addresses }, each.device);
    if (isHop) pod.namespace.run(() => makeBump(each.device));
  }
}

/** Its ports hear the broadcasts of their network: it neither learns from these nor hands them on. */
function makeBump(device: string): void {
  const ip = (...args: readonly string[]) => execFileSync('ip', [...args]);
  if (device === 'eth0') ip('link', 'add', 'bump', 'up', 'type', 'bridge', 'ageing_time', '0');
  ip('link', 'set', device, 'master', 'bump');
  const flags = ['learning', 'off', 'bcast_flood', 'off', 'mcast_flood', 'off'];
  ip('link', 'set', device, 'type', 'bridge_slave', ...flags);
}

async function throughput(testbed: Testbed, from: Pod): Promise<number> {
  const bulk = await TcpBulk.start(testbed, { from, to: testbed.pod('server'), directions: ['forward'] });
  await systemClock.delay(RUN_MILLISECONDS);
  const { forward, failure } = await bulk.stop();
  if (forward === undefined) throw new Error(`no traffic from ${from.name}: ${failure}`);
  return forward.bitsPerSecond / 1e9;
}

/** Microseconds, the median. */
async function roundTrip(from: Pod): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < PINGS; count++) {
    const begin = performance.now();
    await ping(from, SERVER);
    times.push((performance.now() - begin) * 1000);
  }
  return median(times);
}

const podOf = (client: Client): string => client.replace(' ', '-');

async function measureCost(driver: string, testbed: Testbed): Promise<void> {
  const clients = Object.keys(CLIENTS) as Client[];
  for (const client of clients) await waitReachable(testbed.pod(podOf(client)), SERVER);
  const each = (measure: (pod: Pod) => Promise<number>) =>
    interleave(
      ROUNDS,
      Object.fromEntries(
        clients.map((client) => [client, () => measure(testbed.pod(podOf(client)))]),
      ) as Record<Client, () => Promise<number>>,
    );
  const gigabits = await each((pod) => throughput(testbed, pod));
  const microseconds = await each(roundTrip);
  const common = { bench: BENCH, bar: null, ok: true };
  for (const client of clients.slice(1)) {
    const [speed, base] = [gigabits[client], gigabits.plain];
    const what = `${driver}: chain of ${client}`;
    report({
      ...common,
      metric: `${what}, TCP`,
      value: speed,
      unit: 'Gbit/s',
      baseline: base,
      ratio: speed / base,
    });
    const [time, plain] = [microseconds[client], microseconds.plain];
    report({
      ...common,
      metric: `${what}, ping`,
      value: time,
      unit: 'us',
      baseline: plain,
      ratio: plain / time,
    });
  }
}

/** Milliseconds from a hop that is told to be down, or up again, until what follows from that is read back. */
async function measureFailures(driver: string, hops: HopHealthBoard, engine: DataplaneEngine): Promise<void> {
  const times = { down: [] as number[], up: [] as number[] };
  for (let count = 0; count < FAILURES; count++) {
    for (const state of ['down', 'up'] as const) {
      const begin = performance.now();
      hops.report('hop-1-in', state);
      await engine.settled();
      times[state].push(performance.now() - begin);
    }
  }
  for (const [state, all] of Object.entries(times)) {
    report({
      bench: BENCH,
      metric: `${driver}: a hop of two chains is ${state}, read back`,
      value: median(all),
      unit: 'ms',
      baseline: null,
      ratio: null,
      bar: `every one of ${FAILURES} <= ${BAR_MILLISECONDS} ms`,
      ok: Math.max(...all) <= BAR_MILLISECONDS,
    });
  }
}

async function measure(name: string, drivers: BenchDrivers): Promise<void> {
  const testbed = await Testbed.create({
    name: `c${process.pid.toString(36)}${name}`,
    dpus: [
      {
        name: 'dpu-1',
        serialNumber: 'S1',
        pfMacAddress: '08:c0:eb:00:00:01',
        functions: 8,
        checksumOffload: drivers.checksumOffload,
      },
    ],
  });
  const driver = await drivers.open(testbed.dpu('dpu-1'), testbed);
  const hopHealth = new HopHealthBoard();
  const environment = { clock: systemClock, random: systemRandom };
  const engine = createEngine({ driver, owners: ['network'], hopHealth, ...environment });
  let sequence = 0n;
  const apply = async (failOpen: boolean): Promise<void> => {
    const version = { epoch: 'bench', sequence: ++sequence, digest: new Uint8Array(16) };
    engine.submit({ owner: 'network', version, complete: document(failOpen) });
    await engine.settled();
  };
  engine.onReport(({ problems }) => {
    for (const { key, message } of problems) note(`${key} ${message}`);
  });
  try {
    await engine.start();
    await apply(false);
    await attachPods(testbed);
    await measureCost(name, testbed);
    await apply(true);
    await measureFailures(name, hopHealth, engine);
  } finally {
    await engine[Symbol.asyncDispose]();
    await driver[Symbol.asyncDispose]();
    await testbed.dispose();
  }
}

await measure('linux', linuxDrivers(`c${process.pid.toString(36)}l`));
await measure('ovs', switchDrivers);
