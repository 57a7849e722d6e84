import fc from 'fast-check';
import { maybe, PORTS, steps } from './step.js';

export const ADDRESS_SETS = ['monitoring', 'office'] as const;
export const POLICIES = ['allow-a', 'lock', 'edge'] as const;

export const addressSetStep = steps(
  'addressSet',
  fc.record({
    name: fc.constantFrom(...ADDRESS_SETS),
    addresses: fc.uniqueArray(fc.constantFrom('192.0.2.1', '198.51.100.0/24', '2001:db8:50::/64'), {
      maxLength: 3,
    }),
  }),
  (lab, { name, addresses }) => void lab.tryApply('AddressSet', name, { addresses }),
);

export const selector = fc.constantFrom(
  {},
  { matchLabels: { label: 'a' } },
  { matchExpressions: [{ key: 'label', operator: 'NotIn', values: ['a'] }] },
  { matchExpressions: [{ key: 'label', operator: 'In', values: ['b', 'a'] }] },
);
const peer = fc.oneof(
  selector.map((portSelector) => ({ portSelector })),
  fc.constantFrom(...ADDRESS_SETS).map((addressSet) => ({ addressSet })),
  fc.constant({ cidrBlock: { cidr: '10.0.0.0/8', except: ['10.66.0.0/16'] } }),
);
export const rules = fc.array(
  fc.record({
    peers: fc.array(peer, { maxLength: 2 }),
    services: fc.uniqueArray(
      fc.constantFrom(
        { protocol: 'TCP', portName: 'http' },
        { protocol: 'UDP', port: 53, endPort: 54 },
        { protocol: 'ICMP', icmpType: 8 },
      ),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 2 },
);

export const policyStep = steps(
  'policy',
  fc.record({
    name: fc.constantFrom(...POLICIES),
    tier: fc.constantFrom('ADMIN', 'DEFAULT', 'BASELINE'),
    priority: fc.nat({ max: 2 }),
    portSelector: maybe(selector),
    ingress: rules,
    egress: maybe(fc.constant([{ peers: [{ portSelector: {} }] }])),
  }),
  (lab, { name, priority, ...spec }) => {
    lab.tryApply('SecurityPolicy', name, {
      ...spec,
      ...(spec.tier !== 'DEFAULT' && { priority }),
    });
  },
);

export const CHAINS = ['first', 'second'] as const;

const chain = fc.record({
  name: fc.constantFrom(...CHAINS),
  ports: fc.subarray([...PORTS]),
  portSelector: maybe(selector),
  destination: fc.constantFrom(
    { network: 'blue' },
    { network: 'red' },
    { cidrs: ['10.0.1.0/29', '172.16.0.0/12'] },
    { cidrs: ['192.0.2.0/24'] },
    { external: true },
  ),
  hops: fc
    .shuffledSubarray([...PORTS], { minLength: 2, maxLength: 3 })
    .map(([ingressPort, egressPort, other]) => [
      { name: 'one', ingressPort, egressPort },
      ...(other ? [{ name: 'two', ingressPort: other }] : []),
    ]),
  failureMode: fc.constantFrom('FAIL_OPEN', 'FAIL_CLOSED'),
});

export const chainStep = steps('chain', chain, (lab, { name, ports, hops, ...spec }) => {
  const taken = new Set(
    hops.flatMap(({ ingressPort, egressPort = ingressPort }) => [ingressPort, egressPort]),
  );
  const steered = ports.filter((port) => !taken.has(port));
  if (steered.length > 0 || spec.portSelector !== undefined)
    lab.tryApply('ServiceChain', name, { ...spec, hops, ports: steered });
});
