import fc from 'fast-check';
import {
  type AddressSet,
  addressBits,
  type Direction,
  FAILURE_MODES,
  hostPrefix,
  ipFamily,
  type Name,
  prefixAddress,
  prefixLength,
  prefixOf,
  RULE_ACTIONS,
  type RuleAction,
  type SecurityPeer,
  type SecurityPolicy,
  type SecurityPolicySpec,
  type SecurityRule,
  type SecurityService,
  type ServiceChain,
  TIERS,
} from '../../src/index.js';
import {
  conditions,
  ipAddress,
  ipPrefix,
  labelSelector,
  maybe,
  name,
  portName,
  portNumber,
  propagated,
  tenantMetadata,
} from './values.js';

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
