import { expect } from '@jest/globals';
import type { DocumentChange, ReportedProblem } from '@outboard/document-owner/documents';
import { type IpAddress, type Name, NETWORK_TYPES, type NetworkType } from '@outboard/model';
import fc from 'fast-check';
import type { Command, PlannedKind, ProblemState } from '../src/index.js';
import { compiledDocuments, summaryOf } from './invariants.js';
import { identityOf, type Lab } from './lab.js';
import { PLACED, placed, placedStep } from './placed-steps.js';
import {
  ADDRESS_SETS,
  addressSetStep,
  CHAINS,
  chainStep,
  POLICIES,
  policyStep,
  rules,
  selector,
} from './policy-steps.js';
import { DPUS, FUNCTIONS, maybe, NETWORKS, PORTS, PREFIXES, type Step, SUBNETS, steps } from './step.js';

const VLAN = { networkType: 'VLAN', physicalNetwork: 'physnet1' } as const;
const FLAT = { networkType: 'FLAT', physicalNetwork: 'physnet1' } as const;
/** What networks ask for: on the fabric mostly. */
const SEGMENTS = [
  {},
  { segmentationId: 7000 },
  { segmentationId: 7001 },
  { networkType: 'GENEVE' },
  { networkType: 'GENEVE', segmentationId: 7000 },
  VLAN,
  { ...VLAN, segmentationId: 100 },
  { ...VLAN, segmentationId: 102 },
  FLAT,
];

const networkStep = steps(
  'network',
  fc.record({
    name: fc.constantFrom(...NETWORKS),
    router: fc.constantFrom('default', 'edge'),
    segment: fc.constantFrom(...SEGMENTS),
    mtu: maybe(fc.constantFrom(1300, 1440, 8000)),
  }),
  (lab, { name, router, segment, mtu }) => {
    lab.tryApply('Network', name, { router, mtu, segment });
  },
);

const routerStep = steps(
  'router',
  fc.record({
    name: fc.constantFrom('default', 'edge'),
    gates: fc.subarray(['10.0.0.2', '10.0.1.2', '10.0.0.3', '172.16.0.1'], { minLength: 1 }),
    wide: fc.boolean(),
    external: maybe(fc.subarray(['IPV4', 'IPV6'])),
  }),
  (lab, { name, gates, wide, external }) => {
    const nextHops = gates.map((address, index) => ({ address, weight: index + 1 }));
    lab.tryApply('Router', name, {
      routes: [
        { destination: wide ? '10.0.0.0/8' : '10.8.0.0/16', nextHops },
        { destination: 'fd00::/8', nextHops: [{ address: '2001:db8::5' }] },
      ],
      externalGateway: external && { sourceNat: 'DPU_ADDRESS', ipFamilies: external },
    });
  },
);

const subnetStep = steps(
  'subnet',
  fc.record({
    name: fc.constantFrom(...(Object.keys(SUBNETS) as (keyof typeof SUBNETS)[])),
    gatewayIsLast: fc.boolean(),
    excluded: fc.subarray([2, 4]),
    reserved: fc.subarray([3, 5]),
    reservedFor: fc.uniqueArray(fc.constantFrom(...PORTS, undefined), { minLength: 2, maxLength: 2 }),
    retentionSeconds: fc.constantFrom(0, 60, 3600),
    telling: fc.constantFrom('nothing', 'addresses', 'everything'),
  }),
  (lab, { name, gatewayIsLast, excluded, reserved, reservedFor, telling, ...rest }) => {
    const { network, cidr } = SUBNETS[name];
    const host = (number: number): string =>
      cidr.replace(/0\/29$/, `${number}`).replace(/::\/64$/, `::${number}`);
    lab.tryApply('Subnet', name, {
      network,
      cidr,
      gateway: gatewayIsLast ? host(6) : undefined,
      excludedRanges: excluded.map((number) => ({ start: host(number), end: host(number) })),
      reservations: reserved.map((number, index) => ({
        name: `r${number}`,
        ip: host(number),
        port: reservedFor[index],
      })),
      ...(telling !== 'nothing' && { dhcp: telling === 'everything' ? { leaseSeconds: 600 } : {} }),
      ...(telling === 'everything' && {
        domainName: 'example.org',
        dnsServers: [host(4)],
        routerAdvertisement: name.endsWith('v6') ? {} : undefined,
      }),
      ...rest,
    });
  },
);

const timeStep = steps('time', fc.constantFrom(30, 1800, 7200), (lab, seconds) => {
  lab.now += seconds * 1000;
});

const portStep = steps(
  'port',
  fc.record({
    name: fc.constantFrom(...PORTS),
    network: fc.constantFrom(...NETWORKS),
    dpu: maybe(fc.constantFrom(...DPUS)),
    vfNumber: fc.nat({ max: FUNCTIONS - 1 }),
    ip: maybe(fc.constantFrom(2, 3, 4)),
    withAddress: fc.boolean(),
    macAddress: maybe(fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02')),
    adminState: fc.constantFrom('UP', 'DOWN'),
    offload: fc.constantFrom('PREFERRED', 'REQUIRED', 'NEVER'),
    label: fc.constantFrom('a', 'b'),
    securityPolicies: fc.uniqueArray(fc.constantFrom('allow-a', 'lock'), { maxLength: 1 }),
    namedPorts: fc.constantFrom([], [{ name: 'http', port: 8080 }]),
    bandwidth: fc.constantFrom(undefined, { egressKbps: 1000 }),
  }),
  (lab, { name, network, dpu, vfNumber, ip, withAddress, label, ...rest }) => {
    const address = {
      subnet: `${network}-v4`,
      ip: ip === undefined ? undefined : `${PREFIXES[network]}.${ip}`,
    };
    const spec = {
      network,
      function: dpu && identityOf(dpu, vfNumber),
      addresses: withAddress ? [address] : [],
      ...rest,
    };
    lab.tryApply('Port', name, spec, { labels: { label } });
  },
);

const vlanStep = steps(
  'vlan',
  fc.record({
    name: fc.constantFrom(...PORTS),
    network: fc.constantFrom(...NETWORKS),
    parent: fc.constantFrom(...PORTS),
    vlanId: fc.constantFrom(100, 101),
  }),
  (lab, { name, network, parent, vlanId }) => {
    lab.tryApply('Port', name, { network, trunk: { parent, vlanId } });
  },
);

const physicalNetworkStep = steps(
  'physicalNetwork',
  fc.record({
    name: fc.constantFrom('physnet1', 'physnet2'),
    mtu: fc.constantFrom(1500, 1400),
    vlans: fc.constantFrom([100, 101], [100, 103]),
    uplink: fc.constantFrom('up1', 'up2'),
    who: fc.constantFrom(
      { dpus: [...DPUS] },
      { dpus: ['dpu-1'] },
      { dpuSelector: { matchLabels: { rack: 'r1' } } },
    ),
  }),
  (lab, { name, mtu, vlans: [minimum, maximum], uplink, who }) => {
    lab.tryApply('PhysicalNetwork', name, {
      mtu,
      vlanRanges: [{ minimum, maximum }],
      attachments: [{ uplink, ...who }],
    });
  },
);

const encapsulationPolicyStep = steps(
  'encapsulationPolicy',
  fc.record({
    name: fc.constantFrom('default', 'of-acme'),
    defaultSegment: fc.constantFrom({ networkType: 'VXLAN' }, { networkType: 'GENEVE' }, VLAN),
    allowed: fc.subarray([{ networkType: 'VXLAN' }, { networkType: 'GENEVE', minimum: 7000 }, VLAN, FLAT]),
  }),
  (lab, { name, defaultSegment, allowed }) => {
    const tenant = name === 'default' ? undefined : 'acme';
    lab.tryApply('EncapsulationPolicy', name, { tenant, defaultSegment, allowed });
  },
);

const deleteStep = steps(
  'delete',
  fc.constantFrom<readonly [PlannedKind, string]>(
    ['Router', 'default'],
    ['Router', 'edge'],
    ...NETWORKS.map((name) => ['Network', name] as const),
    ...Object.keys(SUBNETS).map((name) => ['Subnet', name] as const),
    ...PORTS.map((name) => ['Port', name] as const),
    ...ADDRESS_SETS.map((name) => ['AddressSet', name] as const),
    ...POLICIES.map((name) => ['SecurityPolicy', name] as const),
    ...PLACED.map((name) => ['NetlinkObject', name] as const),
    ...CHAINS.map((name) => ['ServiceChain', name] as const),
    ['PhysicalNetwork', 'physnet1'],
    ['PhysicalNetwork', 'physnet2'],
    ['EncapsulationPolicy', 'default'],
    ['EncapsulationPolicy', 'of-acme'],
  ),
  (lab, [kind, name]) => void lab.tryDelete(kind, name),
);

const dpuStep = steps(
  'dpu',
  fc.record({
    name: fc.constantFrom(...DPUS),
    tunnelEndpoint: fc.constantFrom('192.0.2.1', '192.0.2.99', '2001:db8:ffff::1', undefined),
    underlayMtu: fc.constantFrom(1500, 1400, 9000),
    hardwareOffload: fc.boolean(),
    trunks: fc.constantFrom(true, true, false),
    reachable: fc.boolean(),
    schedulable: fc.constantFrom(true, true, true, false),
    labels: fc.constantFrom({ rack: 'r1' }, { rack: 'r2' }),
    encapsulations: fc.constantFrom<readonly NetworkType[]>(NETWORK_TYPES, NETWORK_TYPES, ['VXLAN']),
  }),
  (lab, { name, tunnelEndpoint, ...fields }) => {
    lab.dpu(name, { ...fields, tunnelEndpoint: tunnelEndpoint as IpAddress | undefined });
  },
);

const functionStep = steps(
  'function',
  fc.record({
    dpu: fc.constantFrom(...DPUS),
    vfNumber: fc.nat({ max: FUNCTIONS - 1 }),
    representor: fc.constantFrom('pf0vf', 'rep', null),
  }),
  (lab, { dpu, vfNumber, representor }) => {
    lab.function(dpu, vfNumber, representor === null ? null : `${representor}${vfNumber}`);
  },
);

const retireStep = steps(
  'retire',
  fc.oneof(
    fc.constantFrom(...DPUS).map((name) => ['Dpu', name] as const),
    fc
      .tuple(fc.constantFrom(...DPUS), fc.nat({ max: FUNCTIONS - 1 }))
      .map(([dpu, vfNumber]) => ['Function', `${dpu}-pf0vf${vfNumber}`] as const),
  ),
  (lab, [kind, name]) => void lab.retire(kind, name),
);

const reportStep = steps(
  'report',
  fc.record({
    dpu: fc.constantFrom(...DPUS),
    failing: fc.nat({ max: 3 }),
    state: fc.constantFrom<ProblemState>('PENDING', 'FAILED', 'FOREIGN', 'UNSUPPORTED'),
    cut: fc.boolean(),
  }),
  (lab, { dpu, failing, state, cut }) => {
    const keys = [...(lab.published.get(dpu)?.keys() ?? [])].sort().slice(0, failing);
    const problems = keys.map((key): ReportedProblem => ({ key, state, message: 'injected' }));
    lab.report(dpu, problems, problems.length + (cut ? 1 : 0));
  },
);

/** The worker has everything that was published. */
const wellStep = steps('well', fc.constantFrom(...DPUS), (lab, dpu) => void lab.report(dpu));

const restartStep = steps('restart', fc.constant(''), (lab) => lab.restart());

const single = fc.oneof(
  { weight: 2, arbitrary: routerStep },
  { weight: 2, arbitrary: networkStep },
  { weight: 2, arbitrary: subnetStep },
  { weight: 2, arbitrary: physicalNetworkStep },
  { weight: 2, arbitrary: encapsulationPolicyStep },
  { weight: 12, arbitrary: portStep },
  { weight: 3, arbitrary: vlanStep },
  { weight: 1, arbitrary: timeStep },
  { weight: 1, arbitrary: addressSetStep },
  { weight: 3, arbitrary: policyStep },
  { weight: 2, arbitrary: chainStep },
  { weight: 3, arbitrary: placedStep },
  { weight: 4, arbitrary: deleteStep },
  { weight: 2, arbitrary: dpuStep },
  { weight: 3, arbitrary: functionStep },
  { weight: 1, arbitrary: retireStep },
  { weight: 2, arbitrary: reportStep },
  { weight: 4, arbitrary: wellStep },
);

/** A dry run changes nothing at all, and says what the command then does. */
const dryRunStep = steps(
  'dryRun',
  fc.oneof(
    fc
      .record({
        name: fc.constantFrom(...PORTS),
        network: fc.constantFrom(...NETWORKS),
        dpu: fc.constantFrom(...DPUS),
        label: fc.constantFrom('a', 'b'),
      })
      .map(
        ({ name, network, dpu, label }) =>
          (lab: Lab) =>
            lab.command('Port', name, { network, function: identityOf(dpu, 0) }, { labels: { label } }),
      ),
    fc.record({ name: fc.constantFrom(...POLICIES), portSelector: selector, ingress: rules }).map(
      ({ name, ...spec }) =>
        (lab: Lab) =>
          lab.command('SecurityPolicy', name, spec),
    ),
    fc.record({ uplink: fc.constantFrom('up1', 'up3'), mtu: fc.constantFrom(1500, 1400) }).map(
      ({ uplink, mtu }) =>
        (lab: Lab) =>
          lab.command('PhysicalNetwork', 'physnet1', {
            mtu,
            vlanRanges: [{ minimum: 100, maximum: 103 }],
            attachments: [{ uplink, dpus: DPUS }],
          }),
    ),
    placed.map(
      ({ name, dpus, object }) =>
        (lab: Lab) =>
          lab.command('NetlinkObject', name, { dpus, ...object }),
    ),
    fc
      .constantFrom(...ADDRESS_SETS)
      .map((name) => (lab: Lab) => lab.command('AddressSet', name, { addresses: ['203.0.113.0/24'] })),
    fc
      .constantFrom(
        ...PORTS.map((name) => ['Port', name] as const),
        ...POLICIES.map((name) => ['SecurityPolicy', name] as const),
        ...PLACED.map((name) => ['NetlinkObject', name] as const),
        ...CHAINS.map((name) => ['ServiceChain', name] as const),
      )
      .map(
        ([kind, name]) =>
          () =>
            ({ operation: 'delete', kind, tenant: 'acme', name }) as const,
      ),
  ),
  (lab, commandIn: (lab: Lab) => Command) => {
    const everything = () => [summaryOf(lab.world), compiledDocuments(lab.world), confirmations(lab)];
    const before = everything();
    const command = commandIn(lab);
    const trial = lab.dryRun(command);
    expect(everything()).toEqual(before);
    const changes = lab.changes.length;
    const real = lab.decide(command);
    expect(trial.ok).toBe(real.ok);
    if (trial.ok) expect(inOrder(trial.value.documents)).toEqual(inOrder(lab.changes.slice(changes)));
  },
);

const inOrder = (changes: readonly DocumentChange[]) =>
  changes
    .map(({ upserts, deletes, ...change }) => ({
      ...change,
      upserts: Object.fromEntries(upserts.map(({ key, object }) => [key, object])),
      deletes: [...deletes].sort(),
    }))
    .sort((left, right) => (left.dpu < right.dpu ? -1 : 1));

/** What is awaited of the workers. */
function confirmations({ world }: Lab): unknown {
  const uidOf = ({ record }: { record: { resource: { metadata: { uid: string } } } }) =>
    record.resource.metadata.uid;
  return {
    dpus: [...world.dpus.values()].map(({ record, unconfirmed, waits, awaited }) => [
      record.name,
      [...unconfirmed].map(([port, sequence]) => `${uidOf(port)} ${sequence}`).sort(),
      [...waits].map(([release, sequence]) => `${release.record.name} ${sequence}`).sort(),
      [...awaited].map(([placed, sequence]) => `${uidOf(placed)} ${sequence}`).sort(),
    ]),
    networks: [...world.networks.values()].map((network) => [
      uidOf(network),
      [...network.joining].sort(),
      [...network.stragglers].sort(),
    ]),
    routers: [...world.routers.values()].map(({ key, unconfirmed }) => [key, [...unconfirmed].sort()]),
    lagging: [...world.ports.values()].map((port) => `${uidOf(port)} ${port.lagging}`).sort(),
  };
}

const grouped = steps('group', fc.array(single, { minLength: 2, maxLength: 6 }), (lab, group) =>
  lab.group(() => {
    for (const step of group) step.run(lab);
  }),
);

/** A command that arrives twice. */
const repeated = steps('twice', single, (lab, step) => {
  step.run(lab);
  step.run(lab);
});

export const histories = (maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 12, arbitrary: single },
      { weight: 2, arbitrary: grouped },
      { weight: 1, arbitrary: repeated },
      { weight: 2, arbitrary: dryRunStep },
      { weight: 1, arbitrary: restartStep },
    ),
    { maxLength, size: 'max' },
  );

/** Histories in which policies and chains come to many ports, while DPUs confirm and the service starts again. */
export const policedHistories = (maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: portStep },
      { weight: 6, arbitrary: policyStep },
      { weight: 3, arbitrary: chainStep },
      { weight: 2, arbitrary: deleteStep },
      { weight: 4, arbitrary: wellStep },
      { weight: 2, arbitrary: reportStep },
      { weight: 2, arbitrary: dryRunStep },
      { weight: 2, arbitrary: restartStep },
      { weight: 4, arbitrary: single },
    ),
    { maxLength, size: 'max' },
  );

const reuseStep = steps(
  'reuse',
  fc.record({
    name: fc.constantFrom('web-0', 'web-1', 'web-2'),
    dpu: maybe(fc.constantFrom(...DPUS)),
    ip: fc.constantFrom(2, 3),
    macAddress: fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02'),
  }),
  (lab, { name, dpu, ip, macAddress }) => {
    const identity = dpu && identityOf(dpu, name === 'web-0' ? 0 : 1);
    const addresses = [{ subnet: 'blue-v4', ip: `10.0.0.${ip}` }];
    lab.tryApply('Port', name, { network: 'blue', function: identity, addresses, macAddress });
  },
);

const deletePortStep = steps('delete', fc.constantFrom('web-0', 'web-1', 'web-2'), (lab, name) => {
  lab.tryDelete('Port', name);
});

/** The whole network goes, and another comes with its segment. */
const renewStep = steps('renew', fc.constantFrom('blue', 'green'), (lab, name) => {
  for (const { resource } of lab.records('Port')) lab.delete('Port', resource.metadata.name);
  for (const [kind, known] of [
    ['Subnet', 'blue-v4'],
    ['Network', 'blue'],
    ['Network', 'green'],
  ] as const) {
    lab.tryDelete(kind, known);
  }
  lab.tryApply('Network', name, { segment: { segmentationId: 7000 } });
  lab.tryApply('Subnet', 'blue-v4', SUBNETS['blue-v4']);
  lab.tryApply('Port', 'web-0', { network: name, function: identityOf('dpu-1', 0) });
});

/** Histories in which few addresses are wanted by all while the workers lag behind. */
export const contendedHistories = (maxLength: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: reuseStep },
      { weight: 4, arbitrary: deletePortStep },
      { weight: 1, arbitrary: renewStep },
      { weight: 4, arbitrary: wellStep },
      { weight: 1, arbitrary: functionStep },
      { weight: 1, arbitrary: restartStep },
    ),
    { maxLength, size: 'max' },
  );

/** DPUs with functions, networks with subnets: what most steps need to do anything. */
export function populate(lab: Lab): void {
  lab.fleet(DPUS, FUNCTIONS);
  lab.apply('PhysicalNetwork', 'physnet1', {
    vlanRanges: [{ minimum: 100, maximum: 103 }],
    attachments: [{ uplink: 'up1', dpus: DPUS }],
  });
  lab.apply('EncapsulationPolicy', 'default', {
    defaultSegment: { networkType: 'VXLAN' },
    allowed: [{ networkType: 'VXLAN' }, { networkType: 'GENEVE' }, VLAN, FLAT],
  });
  for (const name of NETWORKS) lab.apply('Network', name, { segment: name === 'fabric' ? VLAN : {} });
  for (const [name, spec] of Object.entries(SUBNETS)) lab.apply('Subnet', name, spec);
}

/** Deletes whatever there is, and lets every worker confirm it. */
export function removeEverything(lab: Lab): void {
  for (const { resource } of lab.records('NetlinkObject'))
    lab.delete('NetlinkObject', resource.metadata.name);
  for (const { resource } of lab.records('ServiceChain')) lab.delete('ServiceChain', resource.metadata.name);
  const ports = lab.records('Port');
  // VLANs before what they are VLANs of.
  for (const { resource } of ports) if (resource.spec.trunk) lab.delete('Port', resource.metadata.name);
  for (const { resource } of ports) if (!resource.spec.trunk) lab.delete('Port', resource.metadata.name);
  for (const { resource } of lab.records('SecurityPolicy'))
    lab.delete('SecurityPolicy', resource.metadata.name);
  for (const { resource } of lab.records('AddressSet')) lab.delete('AddressSet', resource.metadata.name);
  for (const { resource } of lab.records('Subnet')) lab.delete('Subnet', resource.metadata.name);
  for (const { resource } of lab.records('Network')) lab.delete('Network', resource.metadata.name);
  for (const kind of ['EncapsulationPolicy', 'PhysicalNetwork'] as const) {
    for (const { resource } of lab.records(kind)) lab.delete(kind, resource.metadata.name);
  }
  for (const { resource } of lab.records('Router')) lab.delete('Router', resource.metadata.name);
  for (const { name } of lab.records('Dpu')) lab.report(name as Name);
}
