import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import { labels } from '../test/arbitraries/values.js';
import { type LabelSelector, labelSelectorText, parseManifest, selectsLabels } from './index.js';

const manifest = (kind: string, spec: object) => ({
  apiVersion: 'network.outboard.dev/v1alpha1',
  kind,
  metadata: { tenant: 'acme', name: 'web' },
  spec,
});
const policy = (spec: object) => manifest('SecurityPolicy', spec);
const rule = (fields: object) => policy({ ingress: [fields] });
const service = (fields: object) => rule({ services: [fields] });
const peer = (fields: object) => rule({ peers: [fields] });
const selector = (fields: object) => policy({ portSelector: fields });
const addresses = (list: readonly string[]) => manifest('AddressSet', { addresses: list });
const named = (...namedPorts: object[]) => manifest('Port', { network: 'blue', namedPorts });
const pfx = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => text(i));

const violationsOf = (input: unknown): readonly string[] => {
  const parsed = parseManifest(input);
  return parsed.ok
    ? []
    : (parsed.error.violations ?? []).map(({ field, description }) => `${field} ${description}`);
};

const LABEL = 'must be an RFC 1123 label: 1-63 of a-z, 0-9, - ; starting and ending with a-z or 0-9';
const PORT_NAME = 'must be 1-15 of a-z, 0-9, - with a letter, no -- and a letter or digit at both ends';
const ONE_PEER = 'must have exactly one of portSelector, addressSet, cidrBlock';

describe('a security policy', () => {
  it('is of tier DEFAULT and isolates in the directions that it speaks of, unless it says otherwise', () => {
    const specOf = (spec: object) => unwrap(parseManifest(policy(spec))).spec;
    expect(specOf({})).toMatchObject({ tier: 'DEFAULT', isolates: ['INGRESS'], portSelector: undefined });
    expect(specOf({ egress: [{}] })).toMatchObject({ isolates: ['INGRESS', 'EGRESS'] });
    expect(specOf({ isolates: ['EGRESS'], ingress: [{}] })).toMatchObject({ isolates: ['EGRESS'] });
    expect(specOf({ tier: 'BASELINE', priority: 0, egress: [{}] })).toMatchObject({ isolates: [] });
  });

  it('has rules that allow anybody everything unless they say less, called by their position', () => {
    const { spec } = unwrap(parseManifest(policy({ ingress: [{}, { name: 'a' }, {}] })));
    expect(spec).toMatchObject({
      ingress: ['rule-0', 'a', 'rule-2'].map((name) => ({ name, action: 'ALLOW', peers: [], services: [] })),
    });
  });

  it('is refused with all of its problems at once', () => {
    const broken = {
      tier: 'ADMIN',
      isolates: ['INGRESS'],
      portSelector: { matchExpressions: [{ key: '-', operator: 'Is' }] },
      ingress: [{ action: 'REJECT', peers: [{}], services: [{ port: 80 }] }],
    };
    expect(violationsOf(policy(broken))).toEqual([
      'spec.priority is required in ADMIN',
      expect.stringMatching(/^spec\.portSelector\.matchExpressions\[0\]\.key must have a key/),
      'spec.portSelector.matchExpressions[0].operator must be one of In, NotIn, Exists, DoesNotExist',
      'spec.isolates must be absent except in DEFAULT',
      'spec.ingress[0].action must be one of ALLOW, DENY, PASS',
      `spec.ingress[0].peers[0] ${ONE_PEER}`,
      'spec.ingress[0].services[0].port needs a protocol',
    ]);
  });

  it.each<[string, unknown]>([
    ['spec.tier must be one of ADMIN, DEFAULT, BASELINE', policy({ tier: 'admin' })],
    ['spec.priority must be absent in DEFAULT, whose policies add up', policy({ priority: 1 })],
    ['spec.priority must be 0 to 1000', policy({ tier: 'BASELINE', priority: 1001 })],
    ['spec.isolates[0] must be one of INGRESS, EGRESS', policy({ isolates: ['BOTH'] })],
    [
      'spec.isolates[1] must be given once; spec.isolates[0] has it already',
      policy({ isolates: ['EGRESS', 'EGRESS'] }),
    ],
    ['spec.ingress[0].action must be ALLOW', rule({ action: 'DENY' })],
    [
      'spec.egress[0].action must be one of ALLOW, DENY',
      policy({ tier: 'BASELINE', priority: 1, egress: [{ action: 'PASS' }] }),
    ],
    [`spec.ingress[0].name ${LABEL}`, rule({ name: 'a b' })],
    [
      'spec.ingress[1].name must be given once; spec.ingress[0].name has it already',
      policy({ ingress: [{ name: 'rule-1' }, {}] }),
    ],
    ['spec.ingress must have at most 64 items, not 65', policy({ ingress: Array(65).fill({}) })],
    [
      'spec.ingress[0].peers must have at most 16 items, not 17',
      rule({ peers: Array(17).fill({ addressSet: 'a' }) }),
    ],
    [
      'spec.ingress[0].services must have at most 32 items, not 33',
      rule({ services: Array(33).fill({ protocol: 'TCP' }) }),
    ],
    [
      'spec must have at most 512 pairs of a peer and a service, not 513',
      policy({
        ingress: [
          ...Array(1).fill({ peers: Array(16).fill({ addressSet: 'a' }), services: Array(32).fill({}) }),
          {},
        ].map((each, index) => ({ ...each, name: `r${index}` })),
      }),
    ],
    [`spec.ingress[0].peers[0] ${ONE_PEER}`, peer({ addressSet: 'a', portSelector: {} })],
    [`spec.ingress[0].peers[0].addressSet ${LABEL}`, peer({ addressSet: 'A' })],
    [
      'spec.ingress[0].peers[0].cidrBlock.cidr must have no host bits; did you mean 10.0.0.0/8?',
      peer({ cidrBlock: { cidr: '10.1.0.0/8' } }),
    ],
    [
      'spec.ingress[0].peers[0].cidrBlock.except[0] must be in 10.0.0.0/8, and less than it',
      peer({ cidrBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }),
    ],
    [
      'spec.ingress[0].peers[0].cidrBlock.except[0] must be in 10.0.0.0/8, and less than it',
      peer({ cidrBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }),
    ],
    [
      'spec.ingress[0].peers[0].cidrBlock.except must have at most 16 items, not 17',
      peer({ cidrBlock: { cidr: '10.0.0.0/8', except: pfx(17, (index) => `10.${index}.0.0/16`) } }),
    ],
    [
      'spec.ingress[0].services[0].protocol must be one of TCP, UDP, ICMP, ICMPv6',
      service({ protocol: 'SCTP' }),
    ],
    ['spec.ingress[0].services[0].port must be 1 to 65535', service({ protocol: 'TCP', port: 65536 })],
    [
      'spec.ingress[0].services[0].endPort must not be before port, 90',
      service({ protocol: 'TCP', port: 90, endPort: 80 }),
    ],
    [
      'spec.ingress[0].services[0].endPort needs port, with which the range begins',
      service({ protocol: 'UDP', endPort: 80 }),
    ],
    [
      'spec.ingress[0].services[0].port must be absent with portName',
      service({ protocol: 'TCP', port: 80, portName: 'http' }),
    ],
    [`spec.ingress[0].services[0].portName ${PORT_NAME}`, service({ protocol: 'TCP', portName: '80' })],
    [
      'spec.ingress[0].services[0].icmpType must be absent with TCP',
      service({ protocol: 'TCP', icmpType: 0 }),
    ],
    [
      'spec.ingress[0].services[0].portName must be absent with ICMP',
      service({ protocol: 'ICMP', portName: 'a' }),
    ],
    ['spec.ingress[0].services[0].icmpType must be 0 to 255', service({ protocol: 'ICMP', icmpType: 256 })],
    [
      'spec.ingress[0].services[0].icmpCode needs icmpType, whose code it is',
      service({ protocol: 'ICMPv6', icmpCode: 0 }),
    ],
    ['spec.ingress[0].services[0].icmpCode needs a protocol', service({ icmpCode: 0 })],
    [
      'spec.egress[0].services[0].portName needs peers that are all given by portSelector: only ports have named ports',
      policy({ egress: [{ services: [{ protocol: 'TCP', portName: 'http' }] }] }),
    ],
    [
      'spec.portSelector must have at most 16 requirements, not 17',
      selector({ matchExpressions: Array(17).fill({ key: 'a', operator: 'Exists' }) }),
    ],
    [
      'spec.portSelector.matchExpressions[0].values is required with In',
      selector({ matchExpressions: [{ key: 'a', operator: 'In' }] }),
    ],
    [
      'spec.portSelector.matchExpressions[0].values must be absent with Exists',
      selector({ matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] }),
    ],
    [
      'spec.portSelector.matchExpressions[0].values must have at most 32 items, not 33',
      selector({ matchExpressions: [{ key: 'a', operator: 'In', values: Array(33).fill('b') }] }),
    ],
    [
      'spec.portSelector.matchLabels["a"] must be empty, or 1-63 of A-Z, a-z, 0-9, - _ . ; starting and ending with a letter or digit',
      selector({ matchLabels: { a: '-' } }),
    ],
    ['spec.addresses[1] must not overlap spec.addresses[0]', addresses(['10.0.0.0/8', '10.1.0.1'])],
    [
      'spec.addresses[2] must not overlap spec.addresses[0]',
      addresses(['10.1.0.0/16', '::/0', '10.0.0.0/8']),
    ],
    ['spec.addresses[1] must not overlap spec.addresses[0]', addresses(['fd00::1', 'fd00::1/128'])],
    ['spec.addresses[0] must be an IPv4 or IPv6 address or a prefix', addresses(['all'])],
    [
      'spec.addresses must have at most 1024 items, not 1025',
      addresses(pfx(1025, (index) => `10.0.${index >> 8}.${index & 255}`)),
    ],
    ['spec.namedPorts[0].port is required', named({ name: 'http' })],
    [`spec.namedPorts[0].name ${PORT_NAME}`, named({ name: 'more-than-15-chr', port: 80 })],
    ['spec.namedPorts[0].protocol must be one of TCP, UDP', named({ name: 'a', protocol: 'ICMP', port: 1 })],
    [
      'spec.namedPorts[1] must be given once; spec.namedPorts[0] has it already',
      named({ name: 'a', port: 1 }, { name: 'a', protocol: 'TCP', port: 2 }),
    ],
    [
      'spec.securityPolicies[1] must be given once; spec.securityPolicies[0] has it already',
      manifest('Port', { network: 'blue', securityPolicies: ['web', 'web'] }),
    ],
    [
      'spec.securityPolicies must have at most 16 items, not 17',
      manifest('Port', { network: 'blue', securityPolicies: pfx(17, (index) => `p${index}`) }),
    ],
  ])('%s', (violation, input) => {
    expect(violationsOf(input)).toEqual([violation]);
  });

  it('tells which addresses overlap also when another is none', () => {
    expect(violationsOf(addresses(['10.0.0.0/8', 'all', '10.1.0.1']))).toEqual([
      'spec.addresses[1] must be an IPv4 or IPv6 address or a prefix',
      'spec.addresses[2] must not overlap spec.addresses[0]',
    ]);
  });
});

describe('a label selector', () => {
  const selects = (fields: Partial<LabelSelector>, given: Record<string, string>): boolean =>
    selectsLabels({ matchLabels: {}, matchExpressions: [], ...fields }, given);
  const expression = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', ...values: string[]) => ({
    matchExpressions: [{ key: 'app', operator, values }],
  });

  it.each([
    ['In', expression('In', 'web', 'db'), [true, false, false]],
    ['NotIn, which holds also without the label', expression('NotIn', 'web'), [false, true, true]],
    ['Exists', expression('Exists'), [true, true, false]],
    ['DoesNotExist', expression('DoesNotExist'), [false, false, true]],
    ['labels', { matchLabels: { app: 'web' } }, [true, false, false]],
    ['nothing', {}, [true, true, true]],
  ] as const)('requires %s', (_name, fields, expected) => {
    expect([{ app: 'web' }, { app: 'x' }, {}].map((each) => selects(fields, each as never))).toEqual(
      expected,
    );
  });

  it('has one text whatever the order in which it is written', () => {
    fc.assert(
      fc.property(labels, (given) => {
        const reversed = Object.fromEntries(Object.entries(given).reverse());
        const asExpressions = Object.entries(given).map(([key, value]) => ({
          key,
          operator: 'In' as const,
          values: [value, value],
        }));
        const text = labelSelectorText({ matchLabels: given, matchExpressions: [] });
        expect(labelSelectorText({ matchLabels: reversed, matchExpressions: [] })).toBe(text);
        expect(labelSelectorText({ matchLabels: {}, matchExpressions: asExpressions })).toBe(text);
      }),
    );
  });
});
