import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import { systemClock, systemRandom, unwrap } from '@outboard/core';
import { createEngine, type DataplaneEngine, type Driver, type Spec } from '@outboard/dataplane';
import {
  type IpAddress,
  type MacAddress,
  type Name,
  type Protocol,
  parseManifest,
  type SerialNumber,
  type TenantName,
  type Uid,
} from '@outboard/model';
import {
  type Command,
  compileDocument,
  decide,
  explain,
  type PlannedIntent,
  project,
  takeDocumentChanges,
  World,
} from '@outboard/planner';
import { EchoServer, ping, Testbed, tcpEcho, udpEcho, waitUntil } from '@outboard/testbed';
import fc from 'fast-check';
import { linuxPackets, mixedPackets, ovsPackets } from '../../libs/dataplane/test/packet-worlds.js';

jest.setTimeout(600_000);

const DPUS = ['dpu-1', 'dpu-2'] as const;
const PORTS_PER_DPU = 3;
const PF = '08:c0:eb:00:00:01' as MacAddress;
const ECHO_PORTS = [80, 81];
/** Worlds of a round, by the drivers of the two DPUs. A seed in OUTBOARD_SEED repeats a run. */
const DRIVERS = [
  ['linux', linuxPackets, 12],
  ['ovs', ovsPackets, 12],
  ['linux and ovs', mixedPackets, 6],
] as const;
const RUNS = Number(process.env.OUTBOARD_RUNS);
/** Rounds that there may be until every feature was drawn. */
const MOST_ROUNDS = 4;
/** What has to be drawn, or nothing is shown of it. */
const FEATURES = [
  'same DPU',
  'across DPUs',
  'routed',
  'other network',
  "pair's source ALLOWED",
  'reason SourceNotAllowed',
  'reason AdminDown',
  'reason RuleAllows',
  'reason RuleDenies',
  'reason Isolated',
  'reason NoPolicyApplies',
  'several next hops ALLOWED',
  'several next hops that differ',
  'tier ADMIN',
  'tier DEFAULT',
  'tier BASELINE',
];
/** What must not come is waited for so long; what must come, until it does. */
const SILENCE_MILLISECONDS = 400;

interface PortPlan {
  readonly network: string;
  readonly app: string;
  readonly adminState: string;
  readonly pair: boolean;
  readonly named: boolean;
}
interface Plan {
  readonly ports: readonly PortPlan[];
  readonly policies: readonly object[];
  readonly addresses: readonly string[];
  /** Ports that forward what is for `FAR` for the router of blue and red. */
  readonly hops: readonly number[];
}

/** Ports that may be next hops; what is behind them, and an address there that they have themselves. */
const HOPS: readonly number[] = [0, 1, 3, 5];
const FAR = { prefix: '10.8.0.0/16', host: '10.8.0.1' };
/** Flows that are tried, so that every one of three next hops is chosen, but in one of some millions of tries. */
const FLOWS = 40;

const NETWORKS = [
  { name: 'blue', router: 'default', ipv4: '10.0.1', ipv6: 'fd00:1' },
  { name: 'red', router: 'default', ipv4: '10.0.2', ipv6: 'fd00:2' },
  { name: 'apart', router: 'other', ipv4: '10.0.1', ipv6: 'fd00:1' },
];

const app = fc.constantFrom('web', 'db');
const selector = (value: string) => ({ portSelector: { matchLabels: { app: value } } });
const peer = fc.oneof(
  app.map(selector),
  fc
    .constantFrom('10.0.1.0/24', '10.0.0.0/8', 'fd00:1::/64', '10.0.2.4/30')
    .map((cidr) => ({ cidrBlock: { cidr } })),
  fc.constant({ addressSet: 'office' }),
);
const service = fc.constantFrom(
  { protocol: 'TCP' },
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 80, endPort: 81 },
  { protocol: 'ICMP', icmpType: 8 },
  { protocol: 'ICMPv6' },
);
const named = { protocol: 'TCP', portName: 'http' };
const rules = (actions: readonly string[], direction: string) =>
  fc
    .array(
      fc.record({
        action: fc.constantFrom(...actions),
        peers: fc.array(peer, { maxLength: 2 }),
        services: fc.array(direction === 'ingress' ? fc.oneof(service, fc.constant(named)) : service, {
          maxLength: 2,
        }),
      }),
      { maxLength: 2 },
    )
    .map((list) => list.map((rule, index) => ({ name: `r${index}`, ...rule })));
const policyOf = (tier: string, actions: readonly string[]) =>
  fc
    .record({
      chosen: app,
      ingress: rules(actions, 'ingress'),
      egress: rules(actions, 'egress'),
    })
    .map(({ chosen, ingress, egress }) => ({
      tier,
      ...(tier === 'DEFAULT' ? {} : { priority: 1 }),
      ...selector(chosen),
      ingress,
      egress,
    }));
const policy = fc.oneof(
  policyOf('ADMIN', ['ALLOW', 'DENY', 'PASS']),
  policyOf('DEFAULT', ['ALLOW']),
  policyOf('BASELINE', ['ALLOW', 'DENY']),
);
const plans: fc.Arbitrary<Plan> = fc.record({
  ports: fc.array(
    fc.record({
      network: fc.constantFrom('blue', 'blue', 'red', 'apart'),
      app,
      adminState: fc.constantFrom('UP', 'UP', 'UP', 'UP', 'DOWN'),
      pair: fc.boolean(),
      named: fc.boolean(),
    }),
    { minLength: DPUS.length * PORTS_PER_DPU, maxLength: DPUS.length * PORTS_PER_DPU },
  ),
  policies: fc.array(policy, { minLength: 1, maxLength: 3 }),
  hops: fc.subarray([...HOPS], { minLength: 2, maxLength: 3 }),
  addresses: fc.subarray(['10.0.1.10/32', '10.0.1.12/31', '10.0.2.0/24', 'fd00:1::a/128'], { minLength: 1 }),
});

/** A probe, and whether the packets must come back. */
interface Probe {
  readonly from: number;
  readonly to: number;
  readonly protocol: Protocol;
  readonly service: number;
  /** Undefined: the port's own. */
  readonly source: string | undefined;
}

let uids = 0;

/** A planner with the world of a plan. */
class PlannedWorld {
  readonly world = World.load([], 1);
  revision = 1;

  context() {
    const uid = () => `0192f3c1-7a2e-7c1b-8000-${(++uids).toString(16).padStart(12, '0')}` as Uid;
    return { revision: this.revision + 1, now: 1_795_000_000_000, newUid: uid };
  }

  apply(kind: string, name: string, spec: object, labels: object = {}): void {
    const apiVersion = 'network.outboard.dev/v1alpha1';
    const manifest = { apiVersion, kind, metadata: { tenant: 'acme', name, labels }, spec };
    const intent = unwrap(parseManifest(JSON.parse(JSON.stringify(manifest)))) as PlannedIntent;
    unwrap(decide(this.world, { operation: 'apply', intent } as Command, this.context()));
    this.commit();
  }

  commit(): void {
    this.revision++;
    takeDocumentChanges(this.world, this.revision);
  }
}

describe.each(DRIVERS)('the model of reachability on %s', (drivenBy, openWorld, usualRuns) => {
  const name = `m${process.pid.toString(36)}`;
  const drivenWorld = openWorld(name);
  const runsPerRound = RUNS || usualRuns;
  let testbed: Testbed;
  let runs = 0;
  const engines = new Map<string, DataplaneEngine>();
  const drivers: Driver<Spec>[] = [];
  const servers: EchoServer[] = [];
  /** Addresses that pods have besides those of their ports. */
  const given = new Set<string>();
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);

  const dpuOf = (index: number): string => DPUS[Math.floor(index / PORTS_PER_DPU)] ?? '';
  const vfOf = (index: number): number => index % PORTS_PER_DPU;
  const podOf = (index: number) => testbed.pod(`pod-${index}`);
  const pairOf = (plan: Plan, index: number): string =>
    `${NETWORKS.find((each) => each.name === plan.ports[index]?.network)?.ipv4}.${200 + index}`;

  beforeAll(async () => {
    testbed = await Testbed.create({
      name,
      underlayMtu: 1600,
      dpus: DPUS.map((dpu, index) => ({
        name: dpu,
        serialNumber: `SN-${dpu}`,
        pfMacAddress: `08:c0:eb:00:00:0${index + 1}`,
        functions: PORTS_PER_DPU,
        checksumOffload: drivenWorld.checksumOffload(dpu),
      })),
    });
    for (const dpu of DPUS) {
      const driver = await drivenWorld.open(testbed.dpu(dpu));
      const engine = createEngine({ driver, owners: ['network'], clock: systemClock, random: systemRandom });
      await engine.start();
      drivers.push(driver);
      engines.set(dpu, engine);
    }
    for (let index = 0; index < DPUS.length * PORTS_PER_DPU; index++) {
      const pod = await testbed.createPod({
        name: `pod-${index}`,
        host: testbed.dpu(dpuOf(index)).host.name,
      });
      if (HOPS.includes(index)) await pod.addAddress(FAR.host);
      for (const port of ECHO_PORTS) servers.push(await EchoServer.listen(pod, port));
    }
  });

  afterAll(async () => {
    for (const server of servers) server[Symbol.dispose]();
    for (const engine of engines.values()) await engine[Symbol.asyncDispose]();
    for (const driver of drivers) await driver[Symbol.asyncDispose]();
    await drivenWorld[Symbol.asyncDispose]();
    await testbed?.dispose();
  });

  function worldOf(plan: Plan): PlannedWorld {
    const planned = new PlannedWorld();
    for (const dpu of DPUS) {
      const serialNumber = `SN-${dpu}` as SerialNumber;
      const tunnelEndpoint = testbed.dpu(dpu).plan.underlay.addresses[0]?.ip as IpAddress;
      const record = {
        kind: 'Dpu',
        name: dpu as Name,
        serialNumber,
        labels: {},
        encapsulations: ['VXLAN'],
        tunnelEndpoint,
        underlayMtu: 1600,
        hardwareOffload: false,
        reachable: true,
      } as const;
      const functions = Array.from({ length: PORTS_PER_DPU }, (_, vfNumber) => ({
        kind: 'Function' as const,
        name: `${dpu}-pf0vf${vfNumber}` as Name,
        dpu: dpu as Name,
        identity: { serialNumber, pfMacAddress: PF, vfNumber },
        representor: `pf0vf${vfNumber}`,
      }));
      const changes = [record, ...functions].map((each) => ({ operation: 'put' as const, record: each }));
      project(planned.world, changes, planned.context());
      planned.commit();
    }
    planned.apply('Router', 'other', {});
    for (const { name: network, router, ipv4, ipv6 } of NETWORKS) {
      planned.apply('Network', network, { router, mtu: 1450 });
      planned.apply('Subnet', `${network}-v4`, { network, cidr: `${ipv4}.0/24` });
      planned.apply('Subnet', `${network}-v6`, { network, cidr: `${ipv6}::/64` });
    }
    planned.apply('AddressSet', 'office', { addresses: plan.addresses });
    for (const [index, spec] of plan.policies.entries()) planned.apply('SecurityPolicy', `p${index}`, spec);
    for (const [index, { network, app: label, adminState, pair, named: isNamed }] of plan.ports.entries()) {
      const { ipv4 = '', ipv6 = '' } = NETWORKS.find((each) => each.name === network) ?? {};
      const spec = {
        network,
        adminState,
        function: { serialNumber: `SN-${dpuOf(index)}`, pfMacAddress: PF, vfNumber: vfOf(index) },
        addresses: [
          { subnet: `${network}-v4`, ip: `${ipv4}.${10 + index}` },
          { subnet: `${network}-v6`, ip: `${ipv6}::${(10 + index).toString(16)}` },
        ],
        allowedAddressPairs: [
          ...(pair ? [{ ip: pairOf(plan, index) }] : []),
          ...(plan.hops.includes(index) ? [{ ip: FAR.prefix }] : []),
        ],
        namedPorts: isNamed ? [{ name: 'http', protocol: 'TCP', port: 81 }] : [],
      };
      planned.apply('Port', `port-${index}`, spec, { app: label });
    }
    const nextHops = hopsOf(plan).map((index) => ({ address: addressOf(plan, index) }));
    if (nextHops.length > 0) {
      planned.apply('Router', 'default', { routes: [{ destination: FAR.prefix, nextHops }] });
    }
    return planned;
  }

  const addressOf = (plan: Plan, index: number): string =>
    `${NETWORKS.find((each) => each.name === plan.ports[index]?.network)?.ipv4}.${10 + index}`;

  /** Those that are in networks of the router. */
  const hopsOf = (plan: Plan): readonly number[] =>
    plan.hops.filter((index) => plan.ports[index]?.network !== 'apart');

  /** Gives every DPU its document, and waits until it is applied and read back. */
  async function realise({ world }: PlannedWorld): Promise<void> {
    const epoch = `run-${++runs}`;
    await Promise.all(
      DPUS.map(async (dpu) => {
        const engine = engines.get(dpu) as DataplaneEngine;
        const { objects, sequence } = compileDocument(world, dpu as Name);
        const digest = DocumentDigest.of(objects).toBytes();
        const complete = new Map(objects.map(({ key, object }) => [key, object]));
        let told: string[] | undefined;
        const listening = engine.onReport(({ version, problems }) => {
          if (version.epoch === epoch) told = problems.map(({ key, message }) => `${key}: ${message}`);
        });
        engine.submit({ owner: 'network', version: { epoch, sequence: BigInt(sequence), digest }, complete });
        await waitUntil(
          `${dpu} applies everything`,
          async () => (told?.length === 0 ? undefined : String(told)),
          60_000,
        );
        listening[Symbol.dispose]();
      }),
    );
  }

  async function connect(plan: Plan, { world }: PlannedWorld): Promise<void> {
    for (const index of plan.ports.keys()) {
      const status = world.ports.get(`acme/port-${index}`)?.record.resource.status;
      const pod = podOf(index);
      await pod.detach();
      await pod.attach(testbed.dpu(dpuOf(index)), vfOf(index), {
        mtu: 1450,
        macAddress: status?.macAddress ?? '',
        addresses: (status?.addresses ?? []).map(({ ip, prefixLength, gateway }) => ({
          ip,
          prefixLength,
          ...(gateway && { gateway }),
        })),
      });
      const pair = pairOf(plan, index);
      if (!given.has(`${index} ${pair}`)) await pod.addAddress(pair);
      given.add(`${index} ${pair}`);
    }
  }

  function probesOf(plan: Plan): readonly Probe[] {
    const indexes = [...plan.ports.keys()];
    const kinds: readonly (readonly [Protocol, number])[] = [
      ['ICMP', 8 * 256],
      ['ICMPv6', 128 * 256],
      ['TCP', 80],
      ['TCP', 81],
      ['UDP', 80],
    ];
    return indexes.flatMap((from) =>
      indexes.flatMap((to) =>
        from === to
          ? []
          : [
              ...kinds.map(([protocol, service]) => ({ from, to, protocol, service, source: undefined })),
              // From an address that only an allowed pair makes the port's.
              { from, to, protocol: 'TCP' as const, service: 80, source: pairOf(plan, from) },
            ],
      ),
    );
  }

  /** Whether the receiver, and nobody else, answers within the time. */
  async function answered(
    { from, protocol, service, source }: Probe,
    to: string,
    ip: string,
    timeoutMilliseconds: number,
  ) {
    const pod = podOf(from);
    if (protocol === 'ICMP' || protocol === 'ICMPv6') {
      return (await ping(pod, ip, { timeoutMilliseconds })).received > 0;
    }
    const echo = protocol === 'TCP' ? tcpEcho : udpEcho;
    const outcome = await echo(
      pod,
      { ip, port: service },
      { timeoutMilliseconds, ...(source !== undefined && { source: { ip: source, port: 0 } }) },
    );
    return outcome.kind === 'echoed' && outcome.server === to;
  }

  const portName = (index: number): Name => `port-${index}` as Name;

  /** What differs between model and packets; undefined: nothing. */
  async function judge(plan: Plan, { world }: PlannedWorld, probe: Probe): Promise<string | undefined> {
    const { from, to, protocol, service, source } = probe;
    const explanation = unwrap(
      explain(world, {
        tenant: 'acme' as TenantName,
        from: portName(from),
        source: source as IpAddress | undefined,
        to: { kind: 'port', name: portName(to) },
        protocol,
        service,
      }),
    );
    const { verdict, reason, destination = '', decidedBy, path } = explanation;
    const isAllowed = verdict === 'ALLOWED';
    const target = podOf(to).name;
    let came = await answered(probe, target, destination, SILENCE_MILLISECONDS);
    // What is allowed may be slow on a busy machine, and has to come in the end.
    for (let attempt = 0; isAllowed && !came && attempt < 5; attempt++) {
      came = await answered(probe, target, destination, 2_000);
    }
    count(verdict);
    count(`reason ${reason}`);
    count(`protocol ${protocol}`);
    for (const { tier } of decidedBy) count(`tier ${tier}`);
    if (source !== undefined) count(`pair's source ${verdict}`);
    count(dpuOf(from) === dpuOf(to) ? 'same DPU' : 'across DPUs');
    if (path.some(({ kind }) => kind === 'router')) count('routed');
    if (plan.ports[from]?.network !== plan.ports[to]?.network) count('other network');
    if (came === isAllowed) return undefined;
    return `${portName(from)} to ${portName(to)} ${protocol} ${service} from ${source ?? 'its own'}: model ${verdict} ${reason}, packets ${came}`;
  }

  /** Likewise of flows to what is behind the next hops, of which the kernel chooses one for each. */
  async function judgeFar({ world }: PlannedWorld, from: number): Promise<string | undefined> {
    const { verdict, reason, nextHops } = unwrap(
      explain(world, {
        tenant: 'acme' as TenantName,
        from: portName(from),
        source: undefined,
        to: { kind: 'address', address: FAR.host as IpAddress },
        protocol: 'TCP',
        service: 80,
      }),
    );
    const came = await Promise.all(
      Array.from({ length: FLOWS }, async () => {
        const attempts = verdict === 'ALLOWED' ? 5 : 1;
        for (let attempt = 0; attempt < attempts; attempt++) {
          const timeoutMilliseconds = attempt === 0 ? SILENCE_MILLISECONDS : 2_000;
          const outcome = await tcpEcho(podOf(from), { ip: FAR.host, port: 80 }, { timeoutMilliseconds });
          if (outcome.kind === 'echoed') return true;
        }
        return false;
      }),
    );
    if (nextHops.length > 1) count(`several next hops ${verdict}`);
    if (new Set(nextHops.map((hop) => hop.verdict)).size > 1) count('several next hops that differ');
    const passed = came.filter((each) => each).length;
    // Where the next hops differ, some flows pass and some do not.
    const expected = verdict === 'ALLOWED' ? passed === FLOWS : passed < FLOWS;
    const some = nextHops.some((hop) => hop.verdict === 'ALLOWED');
    if (expected && (verdict === 'ALLOWED' || some === passed > 0)) return undefined;
    const hops = nextHops.map((hop) => `${hop.address} ${hop.verdict} ${hop.reason}`).join(', ');
    return `${portName(from)} to ${FAR.host}: model ${verdict} ${reason} (${hops}), packets ${passed} of ${FLOWS}`;
  }

  async function compare(plan: Plan): Promise<void> {
    const planned = worldOf(plan);
    await realise(planned);
    await connect(plan, planned);
    const found = await Promise.all(probesOf(plan).map((probe) => judge(plan, planned, probe)));
    const senders = [...plan.ports.keys()].filter((index) => !HOPS.includes(index));
    found.push(...(await Promise.all(senders.map((from) => judgeFar(planned, from)))));
    expect(found.filter((difference) => difference !== undefined)).toEqual([]);
  }

  it('says of every flow what packets do, in random networks under random policies', async () => {
    const seed = Number(process.env.OUTBOARD_SEED ?? Date.now() % 2 ** 31);
    const of = (what: string): number => counts.get(what) ?? 0;
    const missing = () => FEATURES.filter((feature) => of(feature) === 0);
    let rounds = 0;
    do {
      await fc.assert(fc.asyncProperty(plans, compare), {
        seed: seed + rounds,
        numRuns: runsPerRound,
        endOnFailure: true,
      });
    } while (++rounds < MOST_ROUNDS && missing().length > 0);
    const lines = [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
    process.stdout.write(
      `${drivenBy}: seed ${seed}, ${rounds * runsPerRound} worlds\n${lines.map(([what, number]) => `  ${what}: ${number}`).join('\n')}\n`,
    );
    const allowed = of('ALLOWED');
    const denied = of('DENIED') + of('UNREACHABLE');
    expect(denied / (allowed + denied)).toBeGreaterThanOrEqual(0.3);
    expect(allowed).toBeGreaterThan(0);
    expect(missing()).toEqual([]);
  });
});
