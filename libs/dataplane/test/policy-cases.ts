import * as d from '../src/testing/documents.js';
import {
  allow,
  deny,
  type Flow,
  fromClients,
  ISOLATED,
  ipv4,
  ipv6,
  members,
  type Policies,
  pass,
  serverUnder,
  tcp,
  toClients,
} from './policy-lab.js';

/** Policies, and the flows that are then possible of those that are tried; the others are not. */
export const CASES: readonly (readonly [
  about: string,
  policies: Policies,
  tried: Flow[],
  possible: Flow[],
])[] = [
  [
    'no policy leaves everything open',
    {},
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('ping')],
  ],
  [
    'isolation of what is accepted denies it, and not what is opened',
    serverUnder([], ISOLATED),
    [
      ...fromClients('tcp 80'),
      ...fromClients('udp 80'),
      ...fromClients('ping'),
      ...toClients('tcp 80'),
      ...toClients('ping'),
    ],
    [...toClients('tcp 80'), ...toClients('ping')],
  ],
  [
    'isolation of what is opened denies that, and not what is accepted',
    serverUnder([], { isolatedEgress: true }),
    [...fromClients('tcp 80'), ...toClients('tcp 80'), ...toClients('udp 80'), ...toClients('ping')],
    fromClients('tcp 80'),
  ],
  [
    'a range of ports of one protocol',
    serverUnder([d.ruleSet('p', { ingress: [allow({ services: [tcp(80, 90)] })] })], ISOLATED, 'p'),
    [
      ...fromClients('tcp 80'),
      ...fromClients('tcp 90'),
      ...fromClients('tcp 91'),
      ...fromClients('udp 80'),
      ...fromClients('ping'),
    ],
    [...fromClients('tcp 80'), ...fromClients('tcp 90')],
  ],
  [
    'ICMP by its type',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              services: [
                { protocol: 1, icmpType: 8 },
                { protocol: 58, icmpType: 128, icmpCode: 0 },
              ],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    [...fromClients('ping'), ...fromClients('tcp 80')],
    fromClients('ping'),
  ],
  [
    'another type of ICMP than is asked for',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              services: [
                { protocol: 1, icmpType: 13 },
                { protocol: 58, icmpType: 128, icmpCode: 1 },
              ],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('ping'),
    [],
  ],
  [
    'a group, for its members only',
    serverUnder(
      [
        d.addressGroup('g'),
        ...members('g', 'far'),
        d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('g')] })] }),
      ],
      ISOLATED,
      'p',
    ),
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('ping')].filter(({ from }) => from === 'far'),
  ],
  [
    'prefixes of a group',
    serverUnder(
      [
        d.addressGroup('s', true),
        d.groupMember('s', '10.0.1.16/29'),
        d.groupMember('s', 'fd00:1::20/124'),
        d.ruleSet('p', { ingress: [allow({ peers: [d.inGroup('s')] })] }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('tcp 80'),
    fromClients('tcp 80').filter(({ from }) => from === 'near'),
  ],
  [
    'a prefix but for its exceptions',
    serverUnder(
      [
        d.ruleSet('p', {
          ingress: [
            allow({
              // Whole bytes and parts of one, each way.
              peers: [d.inPrefix('10.0.0.0/9', '10.0.1.20/32'), d.inPrefix('fd00::/16', 'fd00:1::20/127')],
            }),
          ],
        }),
      ],
      ISOLATED,
      'p',
    ),
    fromClients('tcp 80'),
    fromClients('tcp 80').filter(({ from }) => from === 'far'),
  ],
  [
    'a port of the server by the name that it gives it',
    serverUnder(
      [d.ruleSet('p', { ingress: [allow({ services: [{ protocol: 6, portName: 'http' }] })] })],
      { ...ISOLATED, namedPorts: [{ name: 'http', protocol: 6, port: 8080 }] },
      'p',
    ),
    [...fromClients('tcp 8080'), ...fromClients('tcp 80'), ...fromClients('udp 8080')],
    fromClients('tcp 8080'),
  ],
  [
    'a port of the destination by the name that it gives it, on the way out',
    serverUnder(
      [
        d.addressGroup('g'),
        ...['near', 'far'].flatMap((name, index) =>
          [ipv4(name), ipv6(name)].map((address) =>
            d.groupMember('g', address, [{ name: 'web', protocol: 6, port: 80 + 10 * index }]),
          ),
        ),
        d.ruleSet('p', {
          egress: [allow({ peers: [d.inGroup('g')], services: [{ protocol: 6, portName: 'web' }] })],
        }),
      ],
      { isolatedEgress: true },
      'p',
    ),
    [...toClients('tcp 80'), ...toClients('tcp 90')],
    [
      { from: 'server', to: 'near', what: 'tcp 80' },
      { from: 'server', to: 'far', what: 'tcp 90' },
    ],
  ],
  [
    'policies of tier DEFAULT add up',
    serverUnder(
      [
        d.ruleSet('p', { ingress: [allow({ services: [tcp(80)] })] }),
        d.ruleSet('q', { ingress: [allow({ services: [tcp(90)] })] }),
      ],
      ISOLATED,
      'p',
      'q',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91')],
    [...fromClients('tcp 80'), ...fromClients('tcp 90')],
  ],
  [
    'ADMIN comes first: what it allows or denies is decided, what it passes is for DEFAULT, also against a later ADMIN',
    serverUnder(
      [
        d.ruleSet('early', {
          tier: 'ADMIN',
          ingress: [
            allow({ services: [tcp(80)] }),
            deny({ services: [tcp(90)] }),
            pass({ services: [tcp(91)] }),
          ],
        }),
        d.ruleSet('late', { tier: 'ADMIN', ingress: [deny()] }),
        d.ruleSet('p', { ingress: [allow({ services: [tcp(90, 91)] })] }),
      ],
      ISOLATED,
      'early',
      'late',
      'p',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('tcp 91')],
  ],
  [
    'what ADMIN passes and DEFAULT does not isolate is for BASELINE',
    serverUnder(
      [
        d.ruleSet('early', { tier: 'ADMIN', ingress: [pass({ services: [tcp(80, 91)] }), deny()] }),
        d.ruleSet('base', {
          tier: 'BASELINE',
          ingress: [allow({ services: [tcp(80)] }), deny({ services: [tcp(90)] })],
        }),
      ],
      {},
      'early',
      'base',
    ),
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91'), ...fromClients('ping')],
    [...fromClients('tcp 80'), ...fromClients('tcp 91')],
  ],
  [
    'BASELINE has nothing to say of an isolated port',
    serverUnder([d.ruleSet('base', { tier: 'BASELINE', ingress: [allow()] })], ISOLATED, 'base'),
    [...fromClients('tcp 80'), ...fromClients('ping')],
    [],
  ],
  [
    'a connection needs both ends: the one that opens it, and the one that accepts it',
    {
      objects: [
        d.ruleSet('in', { ingress: [allow({ services: [tcp(80, 90)] })] }),
        d.ruleSet('out', { egress: [allow({ services: [tcp(90, 91)] })] }),
      ],
      ports: {
        server: { ...ISOLATED, ruleSets: [d.ruleSetKey('in')] },
        near: { isolatedEgress: true, ruleSets: [d.ruleSetKey('out')] },
        far: { isolatedEgress: true, ruleSets: [d.ruleSetKey('out')] },
      },
    },
    [...fromClients('tcp 80'), ...fromClients('tcp 90'), ...fromClients('tcp 91')],
    fromClients('tcp 90'),
  ],
];
