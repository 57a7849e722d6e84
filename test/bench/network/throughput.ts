/**
 * TCP between pods whose ports have policies, of which the last rule allows it, against the same path without any rule or
 * connection tracking. One DPU after the other, in turn, medians.
 */
import { execFileSync } from 'node:child_process';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, objectKeys } from '@outboard/contracts';
import { systemClock, systemRandom } from '@outboard/core';
import { createEngine, type DataplaneEngine, LinuxDriver } from '@outboard/dataplane';
import { NetworkNamespace } from '@outboard/netlink';
import { type Pod, TcpBulk, Testbed, waitReachable } from '@outboard/testbed';
import { median, report } from '../report.js';

const BENCH = 'network';
const ROUNDS = 3;
const RUN_MILLISECONDS = 2000;
const BAR = 0.8;
/** Of a usual policy, and of as large a one as there can be. */
const RULES = [8, 64];
const MTU = 1450;
const TENANT = 'acme';
const ROUTER = objectKeys.router(TENANT, 'main');
const NETWORK = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const POLICY = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c22';
const DPUS = ['dpu-1', 'dpu-2'];
const PORTS = [
  { name: 'server', dpu: 'dpu-1', vf: 0, number: 10 },
  { name: 'near', dpu: 'dpu-1', vf: 1, number: 20 },
  { name: 'far', dpu: 'dpu-2', vf: 0, number: 30 },
];

type ObjectInit = NonNullable<MessageInitShape<typeof DataplaneObjectSchema>['object']>;

const entry = (key: string, object: ObjectInit) => {
  const source = { kind: 'Port', tenant: TENANT, name: 'bench' };
  return [key, toBinary(DataplaneObjectSchema, create(DataplaneObjectSchema, { source, object }))] as const;
};
const ipOf = (number: number): string => `10.0.1.${number}`;
const macOf = (number: number): string => `02:00:5e:00:b1:${number}`;

/** Rules that do not match, and behind them one that does. */
const rulesOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `rule-${index}`,
    action: 'ALLOW',
    peers: [
      {
        peer: {
          case: 'cidr',
          value: { prefix: index < count - 1 ? `172.16.${index}.0/24` : '10.0.0.0/8' },
        } as const,
      },
    ],
    services: [{ protocol: 6 }],
  }));

function* document(dpu: string, underlayOf: (dpu: string) => string, ruleCount: number) {
  const rules = rulesOf(ruleCount);
  yield entry(ROUTER, { case: 'router', value: { tenant: TENANT, name: 'main' } });
  yield entry(objectKeys.bridgeDomain(NETWORK), {
    case: 'bridgeDomain',
    value: { networkUid: NETWORK, router: ROUTER, vni: 100, mtu: MTU },
  });
  const ruleSet = objectKeys.ruleSet(POLICY, 'main');
  yield entry(ruleSet, {
    case: 'ruleSet',
    value: { policyUid: POLICY, router: ROUTER, tier: 'DEFAULT', ingress: rules, egress: rules },
  });
  for (const other of DPUS) {
    if (other === dpu) continue;
    const value = { networkUid: NETWORK, tunnelEndpoint: underlayOf(other) };
    yield entry(objectKeys.tunnelPeer(NETWORK, other), { case: 'tunnelPeer', value });
  }
  for (const { name, dpu: home, vf, number } of PORTS) {
    const common = {
      portUid: name,
      networkUid: NETWORK,
      macAddress: macOf(number),
      ipAddresses: [ipOf(number)],
    };
    if (home === dpu) {
      const policies = { ruleSets: [ruleSet], isolatedIngress: true, isolatedEgress: true };
      const value = { ...common, ...policies, representor: `pf0vf${vf}`, adminUp: true };
      yield entry(objectKeys.endpoint(name), { case: 'endpoint', value });
    } else {
      const value = { ...common, tunnelEndpoint: underlayOf(home) };
      yield entry(objectKeys.remoteEndpoint(name), { case: 'remoteEndpoint', value });
    }
  }
}

/** Bits per second. */
async function throughput(testbed: Testbed, from: Pod, to: Pod): Promise<number> {
  const bulk = await TcpBulk.start(testbed, { from, to, directions: ['forward'] });
  await new Promise((resolve) => setTimeout(resolve, RUN_MILLISECONDS));
  const { forward, failure } = await bulk.stop();
  if (forward === undefined) throw new Error(`no traffic: ${failure}`);
  return forward.bitsPerSecond;
}

/** Takes all rules away from the routers of a machine, behind the back of nobody: the engines are stopped. */
function clearRules(name: string): void {
  for (const router of NetworkNamespace.list(`ob-${name}`)) {
    const namespace = NetworkNamespace.open({ name: router });
    namespace.run(() => execFileSync('nft', ['flush', 'ruleset']));
    namespace.close();
  }
}

export async function measureThroughput(): Promise<void> {
  const name = `t${process.pid.toString(36)}`;
  const testbed = await Testbed.create({
    name,
    dpus: DPUS.map((dpu, index) => ({
      name: dpu,
      serialNumber: `S${index}`,
      pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
      functions: 2,
    })),
  });
  const underlayOf = (dpu: string): string => testbed.dpu(dpu).plan.underlay.addresses[0]?.ip ?? '';
  let sequence = 0n;

  const enforce = async (
    dpu: string,
    ruleCount: number,
  ): Promise<readonly [DataplaneEngine<never>, LinuxDriver]> => {
    const { plan } = testbed.dpu(dpu);
    const driver = await LinuxDriver.open({
      dpu: `${name}${plan.number}`,
      underlayDevice: plan.underlay.device,
      namespace: NetworkNamespace.open({ name: plan.namespace }),
    });
    const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
    await engine.start();
    const version = { epoch: 'bench', sequence: ++sequence, digest: new Uint8Array(16) };
    engine.submit({ owner: 'network', version, complete: new Map(document(dpu, underlayOf, ruleCount)) });
    await engine.settled();
    return [engine as unknown as DataplaneEngine<never>, driver];
  };
  /** What `measure` gives while both DPUs enforce their documents. */
  const enforced = async (ruleCount: number, measure: () => Promise<number>): Promise<number> => {
    const workers = [];
    for (const dpu of DPUS) workers.push(await enforce(dpu, ruleCount));
    try {
      return await measure();
    } finally {
      for (const [engine, driver] of workers) {
        await engine[Symbol.asyncDispose]();
        await driver[Symbol.asyncDispose]();
      }
    }
  };

  try {
    for (const port of PORTS) {
      const dpu = testbed.dpu(port.dpu);
      const pod = await testbed.createPod({ name: port.name, host: dpu.host.name });
      const addresses = [{ ip: ipOf(port.number), prefixLength: 24 }];
      await pod.attach(dpu, port.vf, { mtu: MTU, macAddress: macOf(port.number), addresses });
    }
    for (const [where, client] of [
      ['on one DPU', 'near'],
      ['across DPUs', 'far'],
    ] as const) {
      const measure = () => throughput(testbed, testbed.pod(client), testbed.pod('server'));
      const policed = new Map<number, number[]>(RULES.map((ruleCount) => [ruleCount, []]));
      const bare: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        for (const [ruleCount, values] of policed) values.push(await enforced(ruleCount, measure));
        clearRules(name);
        await waitReachable(testbed.pod(client), ipOf(10));
        bare.push(await measure());
      }
      const baseline = median(bare) / 1e9;
      for (const [ruleCount, values] of policed) {
        const value = median(values) / 1e9;
        const ratio = value / baseline;
        const metric = `TCP ${where}, ${ruleCount} rules each way at both ends, against no rules at all`;
        const bar =
          ruleCount === RULES[0] ? { bar: `ratio >= ${BAR}`, ok: ratio >= BAR } : { bar: null, ok: true };
        report({ bench: BENCH, metric, value, unit: 'Gbit/s', baseline, ratio, ...bar });
      }
    }
  } finally {
    for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
    await testbed.dispose();
  }
}
