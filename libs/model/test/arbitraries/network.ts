import fc from 'fast-check';
import {
  addressBits,
  DEFAULT_ROUTER,
  type EncapsulationPolicy,
  gatewayOf,
  type HostName,
  hostPrefix,
  hostRange,
  type IpAddress,
  type IpPrefix,
  ipFamily,
  ipFromNumber,
  MAX_KBPS,
  MIN_KBPS,
  type Name,
  type NetlinkObject,
  type Network,
  OFFLOADS,
  type PhysicalNetwork,
  type Port,
  prefixLength,
  ROUTE_TYPES,
  type Router,
  type Subnet,
  type SubnetSpec,
  type TenantName,
} from '../../src/index.js';
import {
  conditions,
  dpuProblems,
  functionIdentity,
  ipAddress,
  ipPrefix,
  labelSelector,
  macAddress,
  maybe,
  mtu,
  name,
  nothing,
  portName,
  portNumber,
  propagated,
  segmentationId,
  systemMetadata,
  tenantMetadata,
  uplink,
  vlanId,
  vni,
} from './values.js';

const tunnelled = fc.constantFrom('VXLAN' as const, 'GENEVE' as const);

const segment = fc.oneof(
  fc.record({ networkType: tunnelled, segmentationId: vni, physicalNetwork: nothing }),
  fc.record({ networkType: fc.constant('VLAN' as const), segmentationId: vlanId, physicalNetwork: name }),
  fc.record({ networkType: fc.constant('FLAT' as const), segmentationId: nothing, physicalNetwork: name }),
);

const askedSegment = fc.oneof(
  segment,
  fc.record({ networkType: maybe(tunnelled), segmentationId: maybe(vni), physicalNetwork: nothing }),
  fc.record({
    networkType: fc.constant('VLAN' as const),
    segmentationId: maybe(vlanId),
    physicalNetwork: maybe(name),
  }),
);

export const network: fc.Arbitrary<Network> = fc.record({
  kind: fc.constant('Network' as const),
  metadata: tenantMetadata,
  spec: fc.record({
    router: fc.oneof(name, fc.constant(DEFAULT_ROUTER)),
    segment: askedSegment,
    mtu: maybe(mtu),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    segment: maybe(segment),
    mtu: maybe(mtu),
    ports: fc.nat(),
    conditions: conditions('Network'),
  }),
});

const ascending = <Value>(id: fc.Arbitrary<Value>) =>
  fc.tuple(id, id).map(([left, right]) => {
    const [minimum, maximum] = left <= right ? [left, right] : [right, left];
    return { minimum, maximum };
  });

const segmentRange = fc.oneof(
  fc.tuple(tunnelled, ascending(vni)).map(([networkType, range]) => ({
    networkType,
    physicalNetwork: undefined,
    ...range,
  })),
  fc.tuple(name, ascending(vlanId)).map(([physicalNetwork, range]) => ({
    networkType: 'VLAN' as const,
    physicalNetwork,
    ...range,
  })),
  fc.tuple(name, ascending(segmentationId(0, 0))).map(([physicalNetwork, range]) => ({
    networkType: 'FLAT' as const,
    physicalNetwork,
    ...range,
  })),
);

export const encapsulationPolicy: fc.Arbitrary<EncapsulationPolicy> = fc.record({
  kind: fc.constant('EncapsulationPolicy' as const),
  metadata: systemMetadata,
  spec: fc.record({
    tenant: maybe(name as unknown as fc.Arbitrary<TenantName>),
    defaultSegment: segmentRange,
    allowed: fc.array(segmentRange, { maxLength: 4 }),
  }),
  status: fc.record({ observedGeneration: fc.nat(), conditions: conditions('EncapsulationPolicy') }),
});

/** A subnet prefix, with ascending host addresses of it. */
const subnetAddresses = ipPrefix
  .filter((prefix) => prefixLength(prefix) <= addressBits(ipFamily(prefix)) - 2)
  .chain((cidr) => {
    const { family, first, last } = hostRange(cidr);
    return fc.uniqueArray(fc.bigInt({ min: first, max: last }), { maxLength: 5 }).map((hosts) => ({
      cidr,
      hosts: hosts.sort((left, right) => (left < right ? -1 : 1)).map((host) => ipFromNumber(family, host)),
    }));
  });

/** What ports of a subnet are told: nothing, or something by a way that its family has. */
function hostConfiguration({ cidr, gateway }: Pick<SubnetSpec, 'cidr' | 'gateway'>) {
  const family = ipFamily(cidr);
  const own = fc.uniqueArray(
    ipAddress.filter((address) => ipFamily(address) === family),
    { maxLength: 3 },
  );
  const destination = ipPrefix.filter((prefix) => ipFamily(prefix) === 4 && prefixLength(prefix) > 0);
  const routes = fc.uniqueArray(
    destination.map((each) => ({ destination: each, nextHop: gatewayOf({ cidr, gateway }) })),
    { maxLength: family === 4 ? 3 : 0, selector: ({ destination: text }) => text },
  );
  const dhcp = fc.record({ leaseSeconds: fc.integer({ min: 60, max: 604_800 }), ntpServers: own, routes });
  const lifetimeSeconds = fc.integer({ min: 600, max: 9000 });
  return {
    dhcp,
    routerAdvertisement: family === 6 ? maybe(fc.record({ lifetimeSeconds })) : fc.constant(undefined),
    dnsServers: own,
    domainName: maybe(fc.constantFrom('example.org' as HostName, 'a.b' as HostName)),
  };
}

const subnetSpec = fc
  .tuple(name, subnetAddresses, fc.boolean())
  .map(([networkName, { cidr, hosts }, withGateway]) => {
    const [gateway, ...rest] = hosts;
    const allocationRanges = rest.flatMap((start, index) => {
      const end = rest[index + 1];
      return index % 2 === 0 && end !== undefined ? [{ start, end }] : [];
    });
    return { network: networkName, cidr, gateway: withGateway ? gateway : undefined, allocationRanges };
  })
  .chain((spec) => {
    const own = gatewayOf(spec);
    const reservable = spec.allocationRanges.map(({ start }) => start).filter((ip) => ip !== own);
    const excludable = spec.allocationRanges.map(({ end }) => ({ start: end, end }));
    return fc.record({
      network: fc.constant(spec.network),
      cidr: fc.constant(spec.cidr),
      gateway: fc.constant(spec.gateway),
      allocationRanges: fc.constant(spec.allocationRanges),
      excludedRanges: fc.subarray(excludable),
      reservations: fc
        .array(maybe(name), { minLength: reservable.length, maxLength: reservable.length })
        .map((ports) =>
          reservable.map((ip, index) => {
            const port = ports[index];
            return { name: `r${index}` as Name, ip, port: ports.indexOf(port) === index ? port : undefined };
          }),
        ),
      retentionSeconds: fc.nat({ max: 604_800 }),
      allocationMode: fc.constant('LOWEST' as const),
      ...hostConfiguration(spec),
    });
  });

export const subnet: fc.Arbitrary<Subnet> = fc.record({
  kind: fc.constant('Subnet' as const),
  metadata: tenantMetadata,
  spec: subnetSpec,
  status: fc.record({
    observedGeneration: fc.nat(),
    gateway: maybe(ipAddress),
    allocated: fc.nat(),
    capacity: maybe(
      fc.record({
        total: fc.nat(),
        used: fc.nat(),
        reserved: fc.nat(),
        quarantined: fc.nat(),
        free: fc.nat(),
      }),
    ),
    conditions: conditions('Subnet'),
  }),
});

const staticRoute = ipPrefix.chain((destination) =>
  fc.record({
    destination: fc.constant(destination),
    nextHops: fc.uniqueArray(
      fc.record({
        address: ipAddress.filter((address) => ipFamily(address) === ipFamily(destination)),
        weight: fc.integer({ min: 1, max: 256 }),
      }),
      { minLength: 1, maxLength: 4, selector: ({ address }) => address },
    ),
  }),
);

export const router: fc.Arbitrary<Router> = fc.record({
  kind: fc.constant('Router' as const),
  metadata: tenantMetadata,
  spec: fc.record({
    routes: fc.uniqueArray(staticRoute, { maxLength: 3, selector: ({ destination }) => destination }),
    externalGateway: maybe(
      fc.record({
        sourceNat: fc.constant('DPU_ADDRESS' as const),
        ipFamilies: fc.subarray(['IPV4', 'IPV6'] as const, { minLength: 1 }),
      }),
    ),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    networks: fc.nat(),
    dpus: fc.nat(),
    problems: dpuProblems,
    conditions: conditions('Router'),
  }),
});

export const physicalNetwork: fc.Arbitrary<PhysicalNetwork> = fc.record({
  kind: fc.constant('PhysicalNetwork' as const),
  metadata: systemMetadata,
  spec: fc.record({
    mtu,
    vlanRanges: fc
      .uniqueArray(fc.integer({ min: 1, max: 4094 }), { maxLength: 6 })
      .map((ids) => ids.sort((left, right) => left - right))
      .map((ids) =>
        ids.flatMap((minimum, index) =>
          index % 2 === 0 ? [{ minimum, maximum: ids[index + 1] ?? minimum }] : [],
        ),
      ),
    attachments: fc.array(
      fc.oneof(
        fc.record({
          uplink,
          dpus: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
          dpuSelector: fc.constant(undefined),
        }),
        fc.record({
          uplink,
          dpus: fc.constant([]),
          dpuSelector: labelSelector,
        }),
      ),
      { maxLength: 3 },
    ),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpus: fc.nat(),
    networks: fc.nat(),
    conditions: conditions('PhysicalNetwork'),
  }),
});

const addressPair = fc.record({
  ip: fc.oneof(ipPrefix, ipAddress.map(hostPrefix)),
  macAddress: maybe(macAddress),
});

const kbps = fc.integer({ min: MIN_KBPS, max: MAX_KBPS });

export const port: fc.Arbitrary<Port> = fc.record({
  kind: fc.constant('Port' as const),
  metadata: tenantMetadata,
  spec: fc.record({
    network: name,
    function: maybe(functionIdentity),
    addresses: fc.uniqueArray(fc.record({ subnet: name, ip: maybe(ipAddress) }), {
      maxLength: 4,
      selector: ({ subnet: subnetName }) => subnetName,
    }),
    macAddress: maybe(macAddress),
    securityPolicies: fc.uniqueArray(name, { maxLength: 3 }),
    allowedAddressPairs: fc.uniqueArray(addressPair, {
      maxLength: 4,
      selector: ({ ip, macAddress: mac }) => `${ip} ${mac}`,
    }),
    adminState: fc.constantFrom('UP' as const, 'DOWN' as const),
    offload: fc.constantFrom(...OFFLOADS),
    namedPorts: fc.uniqueArray(
      fc.record({
        name: portName,
        protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
        port: portNumber,
      }),
      { maxLength: 3, selector: ({ name: text, protocol }) => `${text} ${protocol}` },
    ),
    bandwidth: maybe(
      fc.oneof(
        fc.record({ ingressKbps: kbps, egressKbps: maybe(kbps) }),
        fc.record({ ingressKbps: maybe(kbps), egressKbps: kbps }),
      ),
    ),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    representor: maybe(fc.constant('pf0vf3')),
    mtu: maybe(mtu),
    macAddress: maybe(macAddress),
    addresses: fc.array(
      fc.record({
        subnet: name,
        ip: ipAddress,
        prefixLength: fc.nat({ max: 128 }),
        gateway: maybe(ipAddress),
      }),
      { maxLength: 3 },
    ),
    segment: maybe(segment),
    offload: maybe(
      fc.record({ state: fc.constantFrom('HARDWARE' as const, 'SOFTWARE' as const), reason: fc.string() }),
    ),
    propagated,
    conditions: conditions('Port'),
  }),
});

const netlinkHops = (dst: IpPrefix) =>
  fc.uniqueArray(
    fc.record({
      address: ipAddress.filter((address) => ipFamily(address) === ipFamily(dst)),
      weight: fc.integer({ min: 1, max: 256 }),
    }),
    { maxLength: 4, selector: ({ address }) => address },
  );

export const netlinkObject: fc.Arbitrary<NetlinkObject> = fc.record({
  kind: fc.constant('NetlinkObject' as const),
  metadata: tenantMetadata,
  spec: fc.record({
    dpus: fc.uniqueArray(name, { maxLength: 3 }),
    object: fc.oneof(
      ipPrefix.chain((dst) =>
        fc
          .record({
            kind: fc.constant('route' as const),
            router: fc.oneof(name, fc.constant(DEFAULT_ROUTER)),
            dst: fc.constant(dst),
            // An only next hop has no weight.
            nextHops: netlinkHops(dst).map((hops) =>
              hops.length === 1 ? hops.map((hop) => ({ ...hop, weight: 1 })) : hops,
            ),
            rtmType: fc.constantFrom(...ROUTE_TYPES),
            mtu: maybe(fc.integer({ min: 1280, max: 65_520 })),
          })
          .map((route) =>
            route.nextHops.length > 0 ? { ...route, rtmType: undefined } : { ...route, mtu: undefined },
          ),
      ),
      fc.record({ kind: fc.constant('neigh' as const), network: name, dst: ipAddress, lladdr: macAddress }),
      fc.record({ kind: fc.constant('fdb' as const), network: name, port: name, lladdr: macAddress }),
      fc.record({
        kind: fc.constant('addr' as const),
        network: name,
        address: fc.constantFrom('10.9.0.1', '2001:db8:9::1') as unknown as fc.Arbitrary<IpAddress>,
        prefixLength: fc.integer({ min: 16, max: 29 }),
      }),
    ),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpus: fc.nat(),
    problems: dpuProblems,
    conditions: conditions('NetlinkObject'),
  }),
});
