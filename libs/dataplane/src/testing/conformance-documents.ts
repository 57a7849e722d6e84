import * as d from './documents.js';

const MAC = (number: number): string => `02:00:5e:00:10:0${number}`;
export const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
export const OTHER = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c22';
const GEN = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c33';
const TAGGED = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c44';

/** A port that is a VLAN of another, which is in another network. */
const VLAN = d.endpoint('port-5', OTHER, {
  macAddress: MAC(5),
  representor: 'pf0vf1',
  vlanId: 101,
  ipAddresses: ['10.0.2.5', 'fd00:2::5'],
  isolatedEgress: true,
  ingressKbps: 1000,
});

/** One object of every kind, and every shape of it that drivers treat differently. */
export const EVERYTHING: readonly d.Entry[] = [
  d.router(),
  d.bridgeDomain(NET),
  d.bridgeDomain(OTHER, { vni: 101, mtu: 1400 }),
  d.routerInterface(NET, ['10.0.1.1/24', 'fd00:1::1/64']),
  d.hostConfiguration(NET, [
    { prefix: '10.0.1.0/24', gateway: '10.0.1.1', dnsServers: ['10.0.1.53'], dhcp: { leaseSeconds: 600 } },
  ]),
  d.tunnelPeer(NET, '10.254.0.2'),
  d.tunnelPeer(NET, '10.254.0.3'),
  d.endpoint('port-1', NET, {
    macAddress: MAC(1),
    representor: 'pf0vf0',
    ipAddresses: ['10.0.1.5', 'fd00:1::5'],
    ruleSets: ['admin', 'web', 'baseline'].map(d.ruleSetKey),
    isolatedIngress: true,
    namedPorts: [{ name: 'http', protocol: 6, port: 8080 }],
    serviceChains: ['closed', 'open'].map(d.serviceChainKey),
  }),
  d.serviceChain('closed', {
    destinations: ['10.0.2.0/24', 'fd00:2::/64'],
    exceptions: ['10.0.2.1'],
    hops: [['port-2']],
  }),
  // The second hop is nowhere: it is left out.
  d.serviceChain('open', { destinations: ['10.0.3.0/24'], hops: [['port-2'], ['port-9']], failOpen: true }),
  d.addressGroup('hosts'),
  d.groupMember('hosts', '10.0.1.6', [{ name: 'http', protocol: 6, port: 80 }]),
  d.groupMember('hosts', 'fd00:1::6'),
  d.addressGroup('ranges', true),
  d.groupMember('ranges', '192.0.2.0/24'),
  d.groupMember('ranges', '192.0.3.1'),
  d.groupMember('ranges', 'fd00:2::/64'),
  d.ruleSet('admin', {
    tier: 'ADMIN',
    ingress: [
      { name: 'a', action: 'DENY', peers: [d.inPrefix('10.66.0.0/16', '10.66.1.0/24')] },
      { name: 'b', action: 'PASS', peers: [d.inGroup('hosts')] },
    ],
  }),
  d.ruleSet('web', {
    ingress: [
      {
        name: 'a',
        action: 'ALLOW',
        peers: [d.inGroup('hosts'), d.inGroup('ranges')],
        services: [
          { protocol: 6, firstPort: 80, lastPort: 90 },
          { protocol: 17, portName: 'dns' },
          { protocol: 1, icmpType: 8 },
          { protocol: 58, icmpType: 128, icmpCode: 0 },
        ],
      },
    ],
  }),
  d.ruleSet('baseline', { tier: 'BASELINE', egress: [{ name: 'a', action: 'DENY' }] }),
  d.endpoint('port-2', NET, {
    macAddress: MAC(2),
    representor: 'pf0vf1',
    ipAddresses: ['10.0.1.6'],
    offload: 'NEVER',
    ingressKbps: 1000,
    egressKbps: 40_000_000,
    allowedAddressPairs: [
      { ip: '10.0.1.100', macAddress: '' },
      { ip: '10.9.0.0/16', macAddress: MAC(9) },
      { ip: '10.9.1.0/24', macAddress: MAC(9) },
      { ip: 'fd00:9::/64', macAddress: MAC(2) },
    ],
  }),
  d.endpoint('port-3', OTHER, { macAddress: MAC(3), representor: 'pf0vf2', adminUp: false }),
  d.remoteEndpoint('port-4', NET, {
    macAddress: MAC(4),
    ipAddresses: ['10.0.1.7', 'fd00:1::7'],
    tunnelEndpoint: '10.254.0.2',
  }),
  d.route('10.20.0.0/16', [{ gateway: '10.0.1.5', weight: 1, networkUid: NET }]),
  d.route('10.21.0.0/16', [
    { gateway: '10.0.1.7', weight: 1, networkUid: NET },
    { gateway: '10.0.1.5', weight: 3, networkUid: NET },
  ]),
  d.route('fd00:20::/48', [{ gateway: 'fd00:1::5', weight: 1, networkUid: NET }]),
  d.route('10.22.0.0/24'),
  d.placedRoute(d.ROUTER, '10.23.0.0/16', [], { rtmType: 'blackhole' }),
  d.placedRoute(d.ROUTER, 'fd00:23::/48', [], { rtmType: 'prohibit' }),
  d.egressGateway(),
  d.neighbour(NET, '10.0.1.200', MAC(6)),
  d.neighbour(NET, 'fd00:1::200', MAC(6)),
  d.forwardingEntry(NET, MAC(6), { case: 'portUid', value: 'port-1' }),
  d.forwardingEntry(NET, MAC(7), { case: 'tunnelEndpoint', value: '10.254.0.3' }),
  d.interfaceAddress(NET, '10.9.2.1/24'),
  d.interfaceAddress(NET, 'fd00:9:2::1/64'),
];

/** As `EVERYTHING`, of what not every driver has, by the capability that it needs. */
export const OPTIONAL: Readonly<Record<string, readonly d.Entry[]>> = {
  geneve: [d.bridgeDomain(GEN, { networkType: 'GENEVE' }), d.tunnelPeer(GEN, '10.254.0.2')],
  trunk: [VLAN],
  vlan: [d.bridgeDomain(TAGGED, { networkType: 'VLAN', vlanId: 101, uplink: 'pf0vf3' })],
};

/** The same document with everything changed that can be changed. */
export const CHANGED: readonly d.Entry[] = [
  d.router(),
  d.bridgeDomain(NET, { mtu: 1440 }),
  d.hostConfiguration(NET, [
    { prefix: '10.0.1.0/24', gateway: '10.0.1.254', dhcp: { leaseSeconds: 900 } },
    { prefix: 'fd00:1::/64', gateway: 'fd00:1::1', advertisement: { lifetimeSeconds: 1800 } },
  ]),
  d.routerInterface(NET, ['10.0.1.254/24', 'fd00:1::1/64'], { macAddress: '0e:00:00:00:00:02' }),
  d.bridgeDomain(OTHER, { vni: 102, mtu: 1400 }),
  d.tunnelPeer(NET, '10.254.0.3'),
  d.tunnelPeer(NET, '10.254.0.4'),
  d.endpoint('port-1', NET, {
    macAddress: MAC(1),
    representor: 'pf0vf3',
    ipAddresses: ['10.0.1.15', 'fd00:1::15'],
    ruleSets: ['web', 'admin'].map(d.ruleSetKey),
    isolatedEgress: true,
    namedPorts: [{ name: 'http', protocol: 17, port: 8080 }],
    serviceChains: ['closed', 'open'].map(d.serviceChainKey),
  }),
  d.serviceChain('closed', { destinations: ['10.0.2.0/25'], hops: [['port-2', 'port-3']] }),
  d.serviceChain('open', { destinations: ['10.0.3.0/24'], hops: [['port-3']], failOpen: true }),
  d.addressGroup('hosts'),
  d.groupMember('hosts', '10.0.1.7', [{ name: 'dns', protocol: 17, port: 53 }]),
  d.addressGroup('ranges', true),
  d.groupMember('ranges', '192.0.2.0/25'),
  d.groupMember('ranges', 'fd00:2::/48'),
  d.ruleSet('admin', {
    tier: 'BASELINE',
    ingress: [{ name: 'b', action: 'ALLOW', services: [{ protocol: 6, firstPort: 443, lastPort: 443 }] }],
  }),
  d.ruleSet('web', {
    ingress: [{ name: 'a', action: 'ALLOW', peers: [d.inGroup('hosts')] }],
    egress: [{ name: 'a', action: 'ALLOW', peers: [d.inGroup('ranges')], services: [{ protocol: 6 }] }],
  }),
  d.endpoint('port-2', OTHER, {
    macAddress: MAC(2),
    representor: 'pf0vf1',
    ipAddresses: ['10.0.1.6'],
    ingressKbps: 2000,
  }),
  d.endpoint('port-3', OTHER, { macAddress: MAC(3), representor: 'pf0vf2', adminUp: true }),
  d.remoteEndpoint('port-4', NET, {
    macAddress: MAC(5),
    ipAddresses: ['10.0.1.7', 'fd00:1::7'],
    tunnelEndpoint: '10.254.0.3',
  }),
  d.route('10.20.0.0/16', [{ gateway: '10.0.1.9', weight: 1, networkUid: NET }]),
  d.route('10.21.0.0/16'),
  d.route('fd00:20::/48', [
    { gateway: 'fd00:1::5', weight: 1, networkUid: NET },
    { gateway: 'fd00:1::6', weight: 1, networkUid: NET },
  ]),
  d.route('10.22.0.0/24', [{ gateway: '10.0.1.9', weight: 1, networkUid: OTHER }]),
  d.placedRoute(d.ROUTER, '10.23.0.0/16', [], { rtmType: 'prohibit' }),
  d.placedRoute(d.ROUTER, 'fd00:23::/48', [{ gateway: 'fd00:1::5', weight: 1, networkUid: NET }]),
  d.neighbour(NET, '10.0.1.200', MAC(7)),
  d.neighbour(NET, 'fd00:1::200', MAC(7)),
  d.forwardingEntry(NET, MAC(6), { case: 'tunnelEndpoint', value: '10.254.0.3' }),
  d.forwardingEntry(NET, MAC(7), { case: 'portUid', value: 'port-1' }),
  d.interfaceAddress(NET, '10.9.2.2/24'),
];

/** `EVERYTHING` with all devices up: of a device that is down, the kernel tells nobody that its mark was taken. */
export const ALL_UP: readonly d.Entry[] = EVERYTHING.map((entry) =>
  entry[0] === 'endpoint/port-3'
    ? d.endpoint('port-3', OTHER, { macAddress: MAC(3), representor: 'pf0vf2' })
    : entry,
);
