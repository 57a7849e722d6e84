/** Random worlds of the planner: two DPUs, networks of two routers, policies, and the flows that are tried in them. */
import { DocumentDigest } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { DocumentUpdate } from '@outboard/dataplane';
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
  type Explanation,
  explain,
  type PlannedIntent,
  project,
  takeDocumentChanges,
  World,
} from '@outboard/planner';
import fc from 'fast-check';

export const DPUS = ['dpu-1', 'dpu-2'] as const;
export const PORTS_PER_DPU = 3;
export const PF = '08:c0:eb:00:00:01' as MacAddress;
interface PortPlan {
  readonly network: string;
  readonly app: string;
  readonly adminState: string;
  readonly pair: boolean;
  readonly named: boolean;
}
export interface Plan {
  readonly ports: readonly PortPlan[];
  readonly policies: readonly object[];
  readonly addresses: readonly string[];
  /** Ports that forward what is for `FAR` for the router of blue and red. */
  readonly hops: readonly number[];
}

/** Ports that may be next hops; what is behind them, and an address there that they have themselves. */
export const HOPS: readonly number[] = [0, 1, 3, 5];
export const FAR = { prefix: '10.8.0.0/16', host: '10.8.0.1' };
/** Flows that are tried, so that every one of three next hops is chosen, but in one of some millions of tries. */
export const FLOWS = 40;

export const NETWORKS = [
  { name: 'blue', router: 'default', ipv4: '10.0.1', ipv6: 'fd00:1' },
  { name: 'red', router: 'default', ipv4: '10.0.2', ipv6: 'fd00:2' },
  { name: 'apart', router: 'other', ipv4: '10.0.1', ipv6: 'fd00:1' },
];

/** Of all networks; `apart` has those of `blue`, in another router. */
export const GATEWAYS = ['10.0.1.1', '10.0.2.1', 'fd00:1::1', 'fd00:2::1'];
/** Echo requests: their type, and no code. */
const PINGS = { ICMP: 8 * 256, ICMPv6: 128 * 256 } as const;

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
export const plans: fc.Arbitrary<Plan> = fc.record({
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
export interface Probe {
  readonly from: number;
  readonly to: number;
  readonly protocol: Protocol;
  readonly service: number;
  /** Undefined: the port's own. */
  readonly source: string | undefined;
}

let uids = 0;

/** A planner with the world of a plan. */
export class PlannedWorld {
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

export const dpuOf = (index: number): string => DPUS[Math.floor(index / PORTS_PER_DPU)] ?? '';
export const vfOf = (index: number): number => index % PORTS_PER_DPU;
export const pairOf = (plan: Plan, index: number): string =>
  `${NETWORKS.find((each) => each.name === plan.ports[index]?.network)?.ipv4}.${200 + index}`;

/** The planner's world of a plan; `tunnelEndpointOf`: the underlay address of each DPU. */
export function worldOf(plan: Plan, tunnelEndpointOf: (dpu: string) => string): PlannedWorld {
  const planned = new PlannedWorld();
  for (const dpu of DPUS) {
    const serialNumber = `SN-${dpu}` as SerialNumber;
    const tunnelEndpoint = tunnelEndpointOf(dpu) as IpAddress;
    const record = {
      kind: 'Dpu',
      name: dpu as Name,
      serialNumber,
      labels: {},
      encapsulations: ['VXLAN'],
      tunnelEndpoint,
      underlayMtu: 1600,
      hardwareOffload: false,
      trunks: false,
      reachable: true,
      schedulable: true,
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

export const addressOf = (plan: Plan, index: number): string =>
  `${NETWORKS.find((each) => each.name === plan.ports[index]?.network)?.ipv4}.${10 + index}`;

/** Those that are in networks of the router. */
const hopsOf = (plan: Plan): readonly number[] =>
  plan.hops.filter((index) => plan.ports[index]?.network !== 'apart');

export function probesOf(plan: Plan): readonly Probe[] {
  const indexes = [...plan.ports.keys()];
  const kinds: readonly (readonly [Protocol, number])[] = [
    ['ICMP', PINGS.ICMP],
    ['ICMPv6', PINGS.ICMPv6],
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

/** What the model says of a probe. */
export const explainedProbe = (
  { world }: PlannedWorld,
  { from, to, protocol, service, source }: Probe,
): Explanation =>
  unwrap(
    explain(world, {
      tenant: 'acme' as TenantName,
      from: portName(from),
      source: source as IpAddress | undefined,
      to: { kind: 'port', name: portName(to) },
      protocol,
      service,
    }),
  );

/** What the model says of a flow from a port to an address. */
const explainedTo = (
  { world }: PlannedWorld,
  from: number,
  address: string,
  protocol: Protocol,
  service: number,
): Explanation =>
  unwrap(
    explain(world, {
      tenant: 'acme' as TenantName,
      from: portName(from),
      source: undefined,
      to: { kind: 'address', address: address as IpAddress },
      protocol,
      service,
    }),
  );

/** Of flows to what is behind the next hops, of which one is chosen for each flow. */
export const explainedFar = (planned: PlannedWorld, from: number): Explanation =>
  explainedTo(planned, from, FAR.host, 'TCP', 80);

/** Of pings to a gateway. */
export const explainedPing = (planned: PlannedWorld, from: number, gateway: string): Explanation =>
  gateway.includes(':')
    ? explainedTo(planned, from, gateway, 'ICMPv6', PINGS.ICMPv6)
    : explainedTo(planned, from, gateway, 'ICMP', PINGS.ICMP);

/** Whether so many of `FLOWS` pass as the model says: where the next hops differ, some pass and some do not. */
export function agrees({ verdict, nextHops }: Explanation, passed: number): boolean {
  if (verdict === 'ALLOWED') return passed === FLOWS;
  return passed < FLOWS && nextHops.some((hop) => hop.verdict === 'ALLOWED') === passed > 0;
}

/** The ports that probe what is behind the next hops: those that are no next hops themselves. */
export const farSenders = (plan: Plan): readonly number[] =>
  [...plan.ports.keys()].filter((index) => !HOPS.includes(index));

export const portName = (index: number): Name => `port-${index}` as Name;

/** The document of a DPU in a world. */
export function documentOf({ world }: PlannedWorld, dpu: string, epoch: string): DocumentUpdate {
  const { objects, sequence } = compileDocument(world, dpu as Name);
  const digest = DocumentDigest.of(objects).toBytes();
  const complete = new Map(objects.map(({ key, object }) => [key, object]));
  return { owner: 'network', version: { epoch, sequence: BigInt(sequence), digest }, complete };
}
