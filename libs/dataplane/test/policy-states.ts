import * as d from '../src/testing/documents.js';

/** Who asks, by the addresses that groups have of it. */
export interface Peers {
  readonly near: readonly string[];
  readonly far: readonly string[];
}

/** What a document says of the server's policies: objects, and fields of its endpoint. */
export interface PolicyState {
  readonly objects: readonly d.Entry[];
  readonly server: d.EndpointFields;
}

const members = (group: string, addresses: readonly string[], namedPorts?: NamedPorts): d.Entry[] => [
  d.addressGroup(group),
  ...addresses.map((address) => d.groupMember(group, address, namedPorts)),
];
type NamedPorts = Parameters<typeof d.groupMember>[2];

const port = (number: number) => ({ protocol: 6, firstPort: number, lastPort: number });
const rule = (action: string, group: string, ...services: object[]): d.RuleInit => ({
  name: `${action}-${group}`.toLowerCase(),
  action,
  peers: group === '' ? [] : [d.inGroup(group)],
  services,
});
const admin = (...ingress: d.RuleInit[]): d.Entry => d.ruleSet('q', { tier: 'ADMIN', ingress });
const UNDER_Q: d.EndpointFields = { ruleSets: [d.ruleSetKey('q')] };

/**
 * Policies of a server that mean groups in every way, such that nearly every change from one to another moves members and
 * rules at once, and that steps of it done without the others would let through what neither allows.
 */
export function policyStates({ near, far }: Peers): readonly PolicyState[] {
  const both = [...near, ...far];
  const deniesTwo = admin(rule('DENY', 'g'), rule('DENY', 'h'), rule('ALLOW', ''));
  return [
    // Denied by one group, then by the other, then by both.
    { objects: [...members('g', near), ...members('h', far), deniesTwo], server: UNDER_Q },
    { objects: [...members('g', far), ...members('h', near), deniesTwo], server: UNDER_Q },
    { objects: [...members('g', both), ...members('h', both), deniesTwo], server: UNDER_Q },
    // A group that is allowed all, or one port: whoever comes into it must not get what its former members had.
    { objects: [...members('g', far), admin(rule('ALLOW', 'g'), rule('DENY', ''))], server: UNDER_Q },
    {
      objects: [...members('g', near), admin(rule('ALLOW', 'g', port(80)), rule('DENY', ''))],
      server: UNDER_Q,
    },
    // Passed on to a tier that allows all: whoever is in the group that is not passed on is denied.
    {
      objects: [
        ...members('g', near),
        ...members('h', far),
        admin(rule('DENY', 'g'), rule('PASS', 'h'), rule('DENY', '')),
        d.ruleSet('r', { ingress: [rule('ALLOW', '', port(80))] }),
      ],
      server: { ruleSets: [d.ruleSetKey('q'), d.ruleSetKey('r')], isolatedIngress: true },
    },
    // By the name that a port has.
    {
      objects: [
        ...members('g', near),
        admin(rule('DENY', 'g', { protocol: 6, portName: 'web' }), rule('DENY', 'h'), rule('ALLOW', '')),
        ...members('h', far),
      ],
      server: { ...UNDER_Q, namedPorts: [{ name: 'web', protocol: 6, port: 80 }] },
    },
    // One policy in two tiers: what either does not say is allowed by the rules of the one under the chain of the other.
    {
      objects: [
        ...members('g', near),
        d.ruleSet('q', { tier: 'BASELINE', ingress: [rule('ALLOW', 'g', port(80)), rule('DENY', '')] }),
      ],
      server: UNDER_Q,
    },
    {
      objects: [...members('g', far), d.ruleSet('q', { ingress: [rule('ALLOW', 'g', port(5003))] })],
      server: { ...UNDER_Q, isolatedIngress: true },
    },
  ];
}
