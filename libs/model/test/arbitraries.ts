import type { JsonObject } from '@bufbuild/protobuf';
import {
  ALGORITHM_NAMES,
  type AlgorithmName,
  generatedKeyBytes,
  isKeyed,
  operationsOf,
  TAG_BYTES,
} from '@outboard/acceleration/programs';
import fc from 'fast-check';
import {
  type AccelerationKey,
  type AccelerationProfile,
  type AccelerationQuota,
  type AccelerationSession,
  type AccelerationSessionSpec,
  type Accelerator,
  ADMIN_STATES,
  type AddressSet,
  AFFINITIES,
  type AnyResource,
  ATTACHMENTS,
  addressBits,
  type Condition,
  type ConditionUpdateOf,
  DEFAULT_POOL,
  DEFAULT_ROUTER,
  DEFAULT_SESSION_POLICY,
  DESIRED_LIFECYCLES,
  DEVICE_FILES,
  type DeviceName,
  type Direction,
  type Dpu,
  type DpuFunction,
  type DpuNetworkConfiguration,
  type EncapsulationPolicy,
  FAILURE_MODES,
  FLAVOURS,
  FUNCTION_OPERATIONAL_STATES,
  FUNCTION_STATES,
  type FunctionIdentity,
  type FunctionPool,
  GRANTED_OFFLOADS,
  gatewayOf,
  type HostName,
  hostPrefix,
  hostRange,
  type InterfaceAddress,
  type IpAddress,
  type IpPrefix,
  ipFamily,
  ipFromNumber,
  type JobProgram,
  type JobStep,
  KEY_STATES,
  type KeyVersion,
  type KindName,
  kindOf,
  LABEL_OPERATORS,
  type LabelRequirement,
  type LabelSelector,
  LIFECYCLE_STATES,
  LINUX_CAPABILITIES,
  type LifecycleStatus,
  MAX_KBPS,
  type MacAddress,
  type Metadata,
  MIN_KBPS,
  type Mtu,
  type Name,
  type NetlinkObject,
  type Network,
  OFFLOADS,
  type PartialSessionPolicy,
  type PhysicalNetwork,
  type Port,
  type PortName,
  PROBLEM_STATES,
  type Probe,
  prefixAddress,
  prefixLength,
  prefixOf,
  RESTART_POLICIES,
  type ResourceOf,
  ROUTE_TYPES,
  type Router,
  RULE_ACTIONS,
  type RuleAction,
  type SecurityPeer,
  type SecurityPolicy,
  type SecurityPolicySpec,
  type SecurityRule,
  type SecurityService,
  type SegmentationId,
  type SerialNumber,
  type ServiceChain,
  type Subnet,
  type SubnetSpec,
  SYSTEM_TENANT,
  TERMINATION_REASONS,
  type TenantName,
  TIERS,
  type Uid,
  updateConditions,
  WORKLOAD_STATES,
  type Workload,
  type WorkloadConfiguration,
  type WorkloadSpec,
} from '../src/index.js';

const maybe = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined });

/** Canonical base64 of so many bytes. */
const base64 = (length: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: length, maxLength: length })
    .map((bytes) => Buffer.from(bytes).toString('base64'));

export const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?$/) as unknown as fc.Arbitrary<Name>;
export const uid = fc.uuid() as unknown as fc.Arbitrary<Uid>;
const segmentationId = (min: number, max: number) =>
  fc.integer({ min, max }) as unknown as fc.Arbitrary<SegmentationId>;
export const vni = segmentationId(1, 0xffffff);
const vlanId = segmentationId(1, 4094);
export const mtu = fc.integer({ min: 1280, max: 9000 }) as unknown as fc.Arbitrary<Mtu>;
export const serialNumber = fc.stringMatching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,10}$/,
) as unknown as fc.Arbitrary<SerialNumber>;
export const macAddress = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((octets) => [((octets[0] ?? 0) & 0xfe) | 2, ...octets.slice(1)])
  .map((octets) => octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':') as MacAddress);

/** Global-unicast-looking addresses of both families. */
export const ipAddress = fc.oneof(
  fc.integer({ min: 0x0a000000, max: 0x0affffff }).map((value) => ipFromNumber(4, BigInt(value))),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ipFromNumber(6, (0x20010db8n << 96n) | value)),
);
export const ipPrefix: fc.Arbitrary<IpPrefix> = fc
  .tuple(ipAddress, fc.integer({ min: 0, max: 96 }))
  .map(([address, hostBits]) => {
    const bits = addressBits(ipFamily(address));
    return prefixOf(address, Math.max(8, bits - hostBits));
  });

export const labels = fc.dictionary(
  fc.oneof(
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.stringMatching(/^[a-z]{1,8}\.org\/[A-Za-z][A-Za-z0-9_]{0,6}[0-9]$/),
  ),
  fc.stringMatching(/^([A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?)?$/),
  { maxKeys: 4, noNullPrototype: true },
);

const metadata = (tenant: fc.Arbitrary<TenantName>): fc.Arbitrary<Metadata> =>
  fc.record({
    tenant,
    name,
    uid,
    labels,
    generation: fc.nat(),
    resourceVersion: fc.nat().map(String),
  });
const tenantMetadata = metadata(name as unknown as fc.Arbitrary<TenantName>);
const systemMetadata = metadata(fc.constant(SYSTEM_TENANT));

/** Conditions that a series of random updates leads to. */
export function conditions<Kind extends KindName>(kind: Kind): fc.Arbitrary<readonly Condition[]> {
  const known = Object.entries(kindOf({ kind }).reasons).flatMap(([type, reasons]) =>
    Object.keys(reasons).map((reason) => ({ type, reason })),
  );
  const update = fc
    .tuple(fc.constantFrom(...known), fc.constantFrom('', '1 of 1 DPU'))
    .map(([chosen, message]) => ({ ...chosen, message }) as ConditionUpdateOf<Kind>);
  const step = fc.record({ updates: fc.array(update, { maxLength: 3 }), generation: fc.nat({ max: 9 }) });
  return fc
    .array(step, { minLength: 1, maxLength: 4 })
    .map((steps) =>
      steps.reduce<readonly Condition[]>(
        (before, { updates, generation }, index) =>
          updateConditions(kind, before, updates, generation, 1_700_000_000_000 + index * 1000),
        [],
      ),
    );
}

const physicalFunction = { serialNumber, pfMacAddress: macAddress };
const functionIdentity: fc.Arbitrary<FunctionIdentity> = fc.oneof(
  fc.record({ ...physicalFunction, vfNumber: maybe(fc.nat({ max: 4095 })) }),
  fc.record({ ...physicalFunction, vfNumber: fc.constant(undefined), sfNumber: fc.nat({ max: 65_535 }) }),
);

const tunnelled = fc.constantFrom('VXLAN' as const, 'GENEVE' as const);
const nothing = fc.constant(undefined);

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

const dpuProblems = fc.array(
  fc.record({
    dpu: name,
    object: fc.string(),
    state: fc.constantFrom(...PROBLEM_STATES),
    message: fc.string(),
  }),
  { maxLength: 2 },
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

const portName = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/) as unknown as fc.Arbitrary<PortName>;
const portNumber = fc.integer({ min: 1, max: 65535 });

const requirement: fc.Arbitrary<LabelRequirement> = fc
  .record({
    key: fc.stringMatching(/^[a-z]{1,8}$/),
    operator: fc.constantFrom(...LABEL_OPERATORS),
    values: fc.array(fc.stringMatching(/^[a-z]{1,4}$/), { minLength: 1, maxLength: 3 }),
  })
  .map((each) => (each.operator === 'In' || each.operator === 'NotIn' ? each : { ...each, values: [] }));

const labelSelector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: labels,
  matchExpressions: fc.array(requirement, { maxLength: 2 }),
});

const uplink = fc.constantFrom('p0', 'eth0.100', 'bond-0') as unknown as fc.Arbitrary<DeviceName>;

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

const peer: fc.Arbitrary<SecurityPeer> = fc.oneof(
  labelSelector.map((selector) => ({ kind: 'ports' as const, selector })),
  name.map((setName) => ({ kind: 'addressSet' as const, name: setName })),
  ipPrefix
    .filter((cidr) => prefixLength(cidr) < addressBits(ipFamily(cidr)))
    .map((cidr) => ({
      kind: 'cidr' as const,
      cidr,
      except: [prefixOf(prefixAddress(cidr), prefixLength(cidr) + 1)],
    })),
);

const service: fc.Arbitrary<SecurityService> = fc.oneof(
  fc.constant({ protocol: 'any' as const }),
  fc.record({
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    ports: maybe(
      fc.tuple(portNumber, portNumber).map(([one, other]) => ({
        first: Math.min(one, other),
        last: Math.max(one, other),
      })),
    ),
  }),
  fc
    .record({
      protocol: fc.constantFrom('ICMP' as const, 'ICMPv6' as const),
      type: maybe(fc.nat({ max: 255 })),
      code: maybe(fc.nat({ max: 255 })),
    })
    .map((each) => (each.type === undefined ? { ...each, code: undefined } : each)),
);

const namedService = portName.map((text) => ({ protocol: 'TCP' as const, ports: { name: text } }));

const rules = (
  actions: readonly RuleAction[],
  services: fc.Arbitrary<SecurityService>,
): fc.Arbitrary<readonly SecurityRule[]> =>
  fc.uniqueArray(
    fc.record({
      name,
      action: fc.constantFrom(...actions),
      peers: fc.array(peer, { maxLength: 3 }),
      services: fc.array(services, { maxLength: 3 }),
    }),
    { maxLength: 3, selector: (rule) => rule.name },
  );

const propagated = maybe(
  fc.record({ applied: fc.nat(), total: fc.nat(), lagging: fc.array(name, { maxLength: 3 }) }),
);

const securityPolicySpec: fc.Arbitrary<SecurityPolicySpec> = fc.constantFrom(...TIERS).chain((tier) => {
  const actions = RULE_ACTIONS.slice(0, { ADMIN: 3, DEFAULT: 1, BASELINE: 2 }[tier]);
  return fc.record({
    tier: fc.constant(tier),
    priority: tier === 'DEFAULT' ? fc.constant(undefined) : fc.nat({ max: 1000 }),
    portSelector: maybe(labelSelector),
    isolates:
      tier === 'DEFAULT'
        ? fc.constantFrom<Direction[]>(['INGRESS'], ['EGRESS'], ['INGRESS', 'EGRESS'])
        : fc.constant([]),
    ingress: rules(actions, fc.oneof(service, namedService)),
    egress: rules(actions, service),
  });
});

export const securityPolicy: fc.Arbitrary<SecurityPolicy> = fc.record({
  kind: fc.constant('SecurityPolicy' as const),
  metadata: tenantMetadata,
  spec: securityPolicySpec,
  status: fc.record({
    observedGeneration: fc.nat(),
    ports: fc.nat(),
    dpus: fc.nat(),
    propagated,
    conditions: conditions('SecurityPolicy'),
  }),
});

export const addressSet: fc.Arbitrary<AddressSet> = fc.record({
  kind: fc.constant('AddressSet' as const),
  metadata: tenantMetadata,
  spec: fc.record({
    addresses: fc.uniqueArray(ipAddress.map(hostPrefix), { maxLength: 4 }),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    policies: fc.nat(),
    propagated,
    conditions: conditions('AddressSet'),
  }),
});

const hopNames = fc.uniqueArray(name, { minLength: 6, maxLength: 6 }).chain((names) =>
  fc.record({
    ports: fc.constant(names.slice(0, 2)),
    hops: fc.constantFrom(
      names.slice(2, 3).map((each) => ({ name: each, ingressPort: each, egressPort: each })),
      [2, 4].map((at) => ({
        name: names[at] as Name,
        ingressPort: names[at] as Name,
        egressPort: names[at + 1] as Name,
      })),
    ),
  }),
);

export const serviceChain: fc.Arbitrary<ServiceChain> = fc.record({
  kind: fc.constant('ServiceChain' as const),
  metadata: tenantMetadata,
  spec: fc
    .record({
      named: hopNames,
      portSelector: maybe(labelSelector),
      destination: fc.oneof(
        fc.record({ kind: fc.constant('network' as const), network: name }),
        fc.record({ kind: fc.constant('cidrs' as const), cidrs: ipPrefix.map((cidr) => [cidr]) }),
        fc.constant({ kind: 'external' as const }),
      ),
      failureMode: fc.constantFrom(...FAILURE_MODES),
    })
    .map(({ named, ...spec }) => ({ ...spec, ...named })),
  status: fc.record({
    observedGeneration: fc.nat(),
    ports: fc.nat(),
    dpus: fc.nat(),
    propagated,
    conditions: conditions('ServiceChain'),
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

/** Not empty: protobuf does not tell an empty string from an absent one. */
const told = maybe(fc.string({ minLength: 1 }));

const uint32 = fc.nat();

const accelerator: fc.Arbitrary<Accelerator> = fc.record({
  sealingPublicKey: base64(32),
  socketDirectory: fc.string(),
  engines: fc.array(
    fc.record({
      operation: fc.string(),
      algorithm: fc.string(),
      module: fc.string(),
      implementation: fc.string(),
      placement: fc.string(),
      keyBits: uint32,
      minimumLevel: uint32,
      maximumLevel: uint32,
      maximumInput: uint32,
      maximumAdditionalData: uint32,
      lane: fc.string(),
      speeds: fc.array(fc.record({ inputBytes: uint32, megabytesPerSecond: uint32 }), { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  quarantined: fc.array(
    fc.record({ module: fc.string(), operation: fc.string(), algorithm: fc.string(), reason: fc.string() }),
    { maxLength: 2 },
  ),
});

const request = fc.stringMatching(/^[!-~]{1,64}$/);
const lifecycle: fc.Arbitrary<LifecycleStatus> = fc.record({
  state: fc.constantFrom(...LIFECYCLE_STATES),
  reason: fc.string(),
  message: fc.string(),
  since: fc.string(),
  deadline: told,
  stuck: fc.boolean(),
  remaining: fc.nat(),
  remainingNames: fc.array(fc.string(), { maxLength: 2 }),
  rebootRequest: maybe(request),
  retryRequest: maybe(request),
  failedState: maybe(fc.constantFrom(...LIFECYCLE_STATES)),
  failures: fc.nat(),
  provisionedIncarnation: told,
  endingIncarnation: told,
});

const capacity = fc.record({ cpuMillicores: fc.nat(), memoryMebibytes: fc.nat() });

export const dpu: fc.Arbitrary<Dpu> = fc.record({
  kind: fc.constant('Dpu' as const),
  metadata: systemMetadata,
  spec: fc.record({
    serialNumber: maybe(serialNumber),
    host: maybe(fc.constantFrom('worker-3', 'worker-3.example.org') as unknown as fc.Arbitrary<HostName>),
    approved: maybe(fc.boolean()),
    lifecycle: fc.record({
      desired: fc.constantFrom(...DESIRED_LIFECYCLES),
      rebootRequest: maybe(request),
      retryRequest: maybe(request),
      drainSeconds: fc.integer({ min: 1, max: 604_800 }),
    }),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    serialNumber: maybe(serialNumber),
    incarnation: told,
    workerVersion: told,
    kernelRelease: told,
    architecture: told,
    driver: told,
    capabilities: fc.array(fc.record({ name: fc.string(), available: fc.boolean(), reason: fc.string() }), {
      maxLength: 3,
    }),
    underlay: maybe(fc.record({ device: fc.string(), address: ipAddress, mtu: fc.nat() })),
    accelerator: maybe(accelerator),
    functions: fc.nat(),
    capacity: maybe(capacity),
    usedCapacity: maybe(capacity),
    freeCapacity: maybe(capacity),
    usedFunctions: fc.nat(),
    freeFunctions: fc.nat(),
    uplinks: fc.array(
      fc.record({
        device: fc.string(),
        macAddress: fc.string(),
        mtu: uint32,
        adminState: fc.constantFrom(...ADMIN_STATES),
        carrier: fc.boolean(),
        speedMbps: uint32,
        driver: fc.string(),
        firmwareVersion: fc.string(),
      }),
      { maxLength: 2 },
    ),
    lifecycle: maybe(lifecycle),
    conditions: conditions('Dpu'),
  }),
});

const interfaceAddresses = fc.uniqueArray(
  ipAddress.map((address) => `${address}/${ipFamily(address) === 4 ? 32 : 128}` as InterfaceAddress),
  { maxLength: 2 },
);

const dpuInterface = (device: string, addresses: fc.Arbitrary<readonly InterfaceAddress[]>) =>
  fc.record({
    device: fc.constant(device as DeviceName),
    mtu: maybe(fc.integer({ min: 1280, max: 9216 })),
    adminState: fc.constantFrom('UP' as const, 'DOWN' as const),
    addresses,
    exclusiveAddresses: fc.boolean(),
    master: maybe(fc.constant('br0' as DeviceName)),
  });

const dpuRoute = ipPrefix.chain((destination) =>
  fc.record({
    destination: fc.constant(destination),
    gateway: maybe(
      fc.constant((ipFamily(destination) === 4 ? '192.0.2.1' : '2001:db9::1') as unknown as IpAddress),
    ),
    device: fc.constant('p7' as DeviceName),
    metric: fc.nat({ max: 2000 }),
  }),
);

export const dpuNetworkConfiguration: fc.Arbitrary<DpuNetworkConfiguration> = fc.record({
  kind: fc.constant('DpuNetworkConfiguration' as const),
  metadata: systemMetadata,
  spec: fc.record({
    interfaces: fc.tuple(dpuInterface('p0', interfaceAddresses), dpuInterface('pf0hpf', fc.constant([]))),
    routes: fc.uniqueArray(dpuRoute, { maxLength: 3, selector: ({ destination }) => destination }),
    confirmTimeoutSeconds: fc.integer({ min: 5, max: 600 }),
    attempt: fc.nat(),
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    confirmedGeneration: fc.nat(),
    conditions: conditions('DpuNetworkConfiguration'),
  }),
});

export const dpuFunction: fc.Arbitrary<DpuFunction> = fc.record({
  kind: fc.constant('Function' as const),
  metadata: systemMetadata,
  spec: fc.record({ pool: fc.oneof(name, fc.constant(DEFAULT_POOL)) }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    serialNumber: maybe(serialNumber),
    pfMacAddress: maybe(macAddress),
    flavour: maybe(fc.constantFrom(...FLAVOURS)),
    controller: fc.nat(),
    pfNumber: fc.nat(),
    vfNumber: maybe(fc.nat()),
    sfNumber: maybe(fc.nat()),
    external: fc.boolean(),
    hwAddress: maybe(macAddress),
    state: maybe(fc.constantFrom(...FUNCTION_STATES)),
    opState: maybe(fc.constantFrom(...FUNCTION_OPERATIONAL_STATES)),
    representor: maybe(fc.record({ netdev: fc.string(), physPortName: fc.string(), switchId: fc.string() })),
    attachment: maybe(fc.constantFrom(...ATTACHMENTS)),
    claim: maybe(
      fc.record({ tenant: name as unknown as fc.Arbitrary<TenantName>, kind: fc.constant('Port'), name }),
    ),
    conditions: conditions('Function'),
  }),
});

const words = fc.array(
  fc.string({ maxLength: 8 }).map((text) => text.replaceAll('\0', '')),
  { maxLength: 3 },
);
const jsonObject: fc.Arbitrary<JsonObject> = fc.dictionary(
  fc.constantFrom('type', 'properties', 'a b', ''),
  fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant([{ x: 1 }]),
  ),
) as fc.Arbitrary<JsonObject>;
const absolutePath = fc.constantFrom('/etc/firewall.conf', '/opt/x');
const probe: fc.Arbitrary<Probe> = fc.record({
  action: fc.oneof(
    fc.record({ kind: fc.constant('exec' as const), command: fc.constantFrom(['/bin/true'], ['a', 'b']) }),
    fc.record({ kind: fc.constant('http' as const), path: fc.constant('/health') }),
  ),
  periodSeconds: fc.integer({ min: 1, max: 3600 }),
  timeoutSeconds: fc.integer({ min: 1, max: 60 }),
  failureThreshold: fc.integer({ min: 1, max: 100 }),
  initialDelaySeconds: fc.nat(3600),
});

const workloadSpec: fc.Arbitrary<WorkloadSpec> = fc
  .record({
    place: fc.oneof(
      fc.record({ dpu: maybe(name), dpuSelector: fc.constant(undefined) }),
      fc.record({ dpu: fc.constant(undefined), dpuSelector: labelSelector }),
    ),
    image: maybe(absolutePath),
    command: words.filter(({ length }) => length > 0),
    arguments: words,
    environment: fc.dictionary(fc.constantFrom('A', '_b1'), fc.constantFrom('', 'x=y')),
    workingDirectory: maybe(absolutePath),
    resources: fc.record({
      cpuMillicores: fc.integer({ min: 10, max: 1_024_000 }),
      memoryMebibytes: fc.integer({ min: 4, max: 1_048_576 }),
      processes: fc.integer({ min: 1, max: 32_768 }),
    }),
    interfaces: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('eth0', 'inside') as unknown as fc.Arbitrary<DeviceName>,
        port: name,
        defaultRoute: maybe(fc.constant(false)),
      }),
      { maxLength: 2, selector: (each) => each.name, comparator: (one, other) => one === other },
    ),
    files: fc.uniqueArray(fc.record({ path: absolutePath, content: fc.string(), mode: fc.nat(0o7777) }), {
      maxLength: 2,
      selector: ({ path }) => path,
    }),
    restartPolicy: fc.constantFrom(...RESTART_POLICIES),
    readinessProbe: maybe(probe),
    livenessProbe: maybe(probe),
    terminationGraceSeconds: fc.integer({ min: 1, max: 300 }),
    capabilities: fc.subarray([...LINUX_CAPABILITIES]),
    devices: fc.subarray([...DEVICE_FILES]),
    sysctls: fc.dictionary(fc.constant('net.ipv4.ip_forward'), fc.constantFrom('0', '1')),
  })
  .map(({ place, ...spec }) => ({ ...place, ...spec }))
  .filter(({ interfaces }) => new Set(interfaces.map(({ port }) => port)).size === interfaces.length);

export const workload: fc.Arbitrary<Workload> = fc.record({
  kind: fc.constant('Workload' as const),
  metadata: tenantMetadata,
  spec: workloadSpec,
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    state: maybe(fc.constantFrom(...WORKLOAD_STATES)),
    since: fc.string(),
    restarts: fc.nat(),
    lastTermination: maybe(
      fc.record({
        reason: fc.constantFrom(...TERMINATION_REASONS),
        exitCode: maybe(fc.nat(255)),
        signal: fc.constantFrom('', 'SIGKILL'),
        message: fc.string(),
        time: fc.string(),
      }),
    ),
    isolation: maybe(
      fc.record({ runtime: fc.string(), namespaces: words, limits: words, reason: fc.string() }),
    ),
    ports: fc.array(
      fc.record({
        interface: fc.string(),
        port: fc.string(),
        portUid: fc.string(),
        representor: fc.string(),
        macAddress: fc.string(),
        mtu: fc.nat(),
        addresses: words,
        gateways: words,
      }),
      { maxLength: 2 },
    ),
    interfaces: fc.array(
      fc.record({
        name: fc.string(),
        version: fc.string(),
        methods: fc.array(
          fc.record({ name: fc.string(), request: maybe(jsonObject), response: maybe(jsonObject) }),
          { maxLength: 2 },
        ),
        configuration: maybe(jsonObject),
        yang: fc.string(),
        yangCheck: fc.string(),
      }),
      { maxLength: 2 },
    ),
    ready: fc.boolean(),
    message: fc.string(),
    conditions: conditions('Workload'),
  }),
});

export const workloadConfiguration: fc.Arbitrary<WorkloadConfiguration> = fc.record({
  kind: fc.constant('WorkloadConfiguration' as const),
  metadata: tenantMetadata,
  spec: fc.record({ workload: name, interface: name, configuration: jsonObject }),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    interfaceVersion: fc.string(),
    appliedGeneration: fc.nat(),
    conditions: conditions('WorkloadConfiguration'),
  }),
});

export const functionPool: fc.Arbitrary<FunctionPool> = fc.record({
  kind: fc.constant('FunctionPool' as const),
  metadata: systemMetadata,
  spec: fc
    .tuple(
      fc.oneof(
        fc.record({ dpu: maybe(name), dpuSelector: nothing }),
        fc.record({ dpu: nothing, dpuSelector: labelSelector }),
      ),
      fc.record({
        attachment: fc.constantFrom(...ATTACHMENTS),
        minimumFree: fc.nat({ max: 256 }),
        maximum: fc.integer({ min: 256, max: 512 }),
      }),
    )
    .map(([place, size]) => ({ ...place, ...size })),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpus: fc.nat(),
    total: fc.nat(),
    used: fc.nat(),
    free: fc.nat(),
    conditions: conditions('FunctionPool'),
  }),
});

const jobStep: fc.Arbitrary<JobStep> = fc.constantFrom(...ALGORITHM_NAMES).chain((algorithm) =>
  fc.record({
    operation: fc.constantFrom(...operationsOf(algorithm)),
    algorithm: fc.constant(algorithm),
    key: isKeyed(algorithm) ? name : fc.constant(undefined),
    level: fc.constant(0),
    callerNonce: fc.constant(false),
  }),
);

const jobPrograms: fc.Arbitrary<readonly JobProgram[]> = fc.uniqueArray(
  fc.record({ id: fc.integer({ min: 1, max: 65_535 }), steps: fc.tuple(jobStep) }),
  { minLength: 1, maxLength: 3, selector: ({ id }) => id },
);

const sessionPolicy = fc.record({
  offload: fc.constantFrom(...OFFLOADS),
  hostFallback: fc.boolean(),
  affinity: fc.constantFrom(...AFFINITIES),
  weight: fc.integer({ min: 1, max: 1000 }),
  maxInFlightJobs: fc.integer({ min: 1, max: 1024 }),
  maxInFlightKibibytes: fc.integer({ min: 64, max: 65_536 }),
  maxConnections: fc.integer({ min: 1, max: 64 }),
  leaseSeconds: fc.integer({ min: 15, max: 86_400 }),
});

const partialSessionPolicy: fc.Arbitrary<PartialSessionPolicy> = fc
  .tuple(sessionPolicy, fc.subarray(Object.keys(DEFAULT_SESSION_POLICY)))
  .map(
    ([policy, told]) =>
      Object.fromEntries(
        Object.entries(policy).map(([field, value]) => [field, told.includes(field) ? value : undefined]),
      ) as unknown as PartialSessionPolicy,
  );

export const accelerationProfile: fc.Arbitrary<AccelerationProfile> = fc.record({
  kind: fc.constant('AccelerationProfile' as const),
  metadata: tenantMetadata,
  spec: fc.record({ programs: jobPrograms, policy: partialSessionPolicy }),
  status: fc.record({
    observedGeneration: fc.nat(),
    sessions: fc.nat(),
    conditions: conditions('AccelerationProfile'),
  }),
});

const sha256 = fc.stringMatching(/^[0-9a-f]{64}$/);

const grantedPrograms = fc.array(
  fc.record({
    id: fc.nat(65_535),
    steps: fc.array(
      fc.record({
        operation: fc.string(),
        algorithm: fc.string(),
        implementation: fc.string(),
        module: fc.string(),
        megabytesPerSecond: fc.nat(),
      }),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 2 },
);

const sourceOfPrograms: fc.Arbitrary<Pick<AccelerationSessionSpec, 'profile' | 'programs'>> = fc.oneof(
  fc.record({ profile: name, programs: fc.constant([]) }),
  fc.record({ profile: fc.constant(undefined), programs: jobPrograms }),
);

export const accelerationSession: fc.Arbitrary<AccelerationSession> = fc.record({
  kind: fc.constant('AccelerationSession' as const),
  metadata: tenantMetadata,
  spec: fc
    .tuple(
      sourceOfPrograms,
      fc.record({
        policy: partialSessionPolicy,
        holder: fc.record({ port: maybe(name), pod: maybe(fc.constant('shop/web-0')) }),
        dpu: maybe(name),
        ttlSeconds: maybe(fc.integer({ min: 1, max: 1000 })),
        tokenSha256: maybe(sha256),
        peerUid: maybe(fc.nat()),
      }),
    )
    .map(([programs, rest]) => ({ ...programs, ...rest })),
  status: fc.record({
    observedGeneration: fc.nat(),
    dpu: maybe(name),
    epoch: fc.nat(),
    socketDirectory: maybe(fc.constant('/run/outboard/acceleration/s')),
    tokenSha256: maybe(sha256),
    programs: grantedPrograms,
    offload: maybe(
      fc.record({
        asked: fc.constantFrom(...OFFLOADS),
        granted: fc.constantFrom(...GRANTED_OFFLOADS),
        reason: fc.string(),
      }),
    ),
    policy: maybe(sessionPolicy),
    expiresAt: maybe(fc.constant('2026-11-27T02:00:00Z')),
    conditions: conditions('AccelerationSession'),
  }),
});

const keyVersion = (algorithm: AlgorithmName): fc.Arbitrary<KeyVersion> => {
  const sealedSecret = fc.record({
    sealingPublicKey: base64(32),
    encapsulatedKey: base64(32),
    ciphertext: base64(generatedKeyBytes(algorithm) + TAG_BYTES),
  });
  const material: fc.Arbitrary<Pick<KeyVersion, 'sealed' | 'generatedOn'>> = fc.oneof(
    fc.record({ sealed: fc.constant([]), generatedOn: name }),
    fc.record({
      sealed: fc.uniqueArray(sealedSecret, {
        minLength: 1,
        maxLength: 2,
        selector: ({ sealingPublicKey }) => sealingPublicKey,
      }),
      generatedOn: fc.constant(undefined),
    }),
  );
  return fc
    .tuple(
      material,
      fc.record({
        version: fc.integer({ min: 1, max: 100 }),
        state: fc.constant('DECRYPT_ONLY' as const),
        maxJobs: maybe(fc.integer({ min: 1, max: 0xffff_ffff })),
        fingerprint: maybe(fc.stringMatching(/^[0-9a-f]{8,64}$/)),
      }),
    )
    .map(([first, rest]) => ({ ...first, ...rest }));
};

export const accelerationKey: fc.Arbitrary<AccelerationKey> = fc.record({
  kind: fc.constant('AccelerationKey' as const),
  metadata: tenantMetadata,
  spec: fc.constantFrom(...ALGORITHM_NAMES.filter(isKeyed)).chain((algorithm) =>
    fc.record({
      algorithm: fc.constant(algorithm),
      session: maybe(name),
      versions: fc
        .uniqueArray(keyVersion(algorithm), { maxLength: 3, selector: ({ version }) => version })
        .map((versions) => versions.sort((one, other) => one.version - other.version)),
    }),
  ),
  status: fc.record({
    observedGeneration: fc.nat(),
    versions: fc.array(
      fc.record({
        version: fc.nat(),
        state: fc.constantFrom(...KEY_STATES),
        fingerprint: maybe(fc.constant('0123abcd')),
        dpus: fc.array(name, { maxLength: 2 }),
        lost: fc.boolean(),
      }),
      { maxLength: 2 },
    ),
    sessions: fc.nat(),
    propagated,
    conditions: conditions('AccelerationKey'),
  }),
});

const quotaLimit = fc.nat(1_000_000);

export const accelerationQuota: fc.Arbitrary<AccelerationQuota> = fc.record({
  kind: fc.constant('AccelerationQuota' as const),
  metadata: systemMetadata,
  spec: fc.record({
    maxSessions: quotaLimit,
    maxKeys: quotaLimit,
    maxWeight: quotaLimit,
    maxInFlightMebibytes: quotaLimit,
  }),
  status: fc.record({
    observedGeneration: fc.nat(),
    sessions: fc.nat(),
    keys: fc.nat(),
    weight: fc.nat(),
    inFlightMebibytes: fc.nat(),
    conditions: conditions('AccelerationQuota'),
  }),
});

/** An arbitrary resource of every kind: a new kind does not compile until it has one. */
export const RESOURCES: { readonly [Kind in KindName]: fc.Arbitrary<ResourceOf<Kind>> } = {
  AccelerationKey: accelerationKey,
  AccelerationProfile: accelerationProfile,
  AccelerationQuota: accelerationQuota,
  AccelerationSession: accelerationSession,
  AddressSet: addressSet,
  Dpu: dpu,
  DpuNetworkConfiguration: dpuNetworkConfiguration,
  EncapsulationPolicy: encapsulationPolicy,
  Function: dpuFunction,
  FunctionPool: functionPool,
  NetlinkObject: netlinkObject,
  Network: network,
  PhysicalNetwork: physicalNetwork,
  Port: port,
  Router: router,
  SecurityPolicy: securityPolicy,
  ServiceChain: serviceChain,
  Subnet: subnet,
  Workload: workload,
  WorkloadConfiguration: workloadConfiguration,
};

export const anyResource: fc.Arbitrary<AnyResource> = fc.oneof(...Object.values(RESOURCES));
