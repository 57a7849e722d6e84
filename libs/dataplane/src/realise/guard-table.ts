import { GATEWAY_LINK_LOCAL } from '../host-configuration/responder-spec.js';
import { MARKS, PORT_SETS } from './port-sets.js';

export const GUARD_TABLE = 'outboard';

/**
 * What ports may send as, as sets of (port, MAC address[, address]). `targets` is about the addresses that neighbour
 * advertisements advertise: the same as the IPv6 ones, in a type that nftables 1.0.6 can compare a payload with.
 * Prefixes have sets of their own: intervals are looked up more slowly than single addresses.
 */
export const GUARD_SETS = {
  macs: 'sender-macs',
  ipv4: 'sender-ipv4',
  ipv4Prefixes: 'sender-ipv4-prefixes',
  ipv6: 'sender-ipv6',
  ipv6Prefixes: 'sender-ipv6-prefixes',
  targets: 'sender-targets',
  targetPrefixes: 'sender-target-prefixes',
} as const;

/** Changes with the table's fixed part; one of another revision is loaded anew. */
export const GUARD_REVISION = 4;

const V4 = 'iifname . ether saddr . ip saddr';
const V6 = 'iifname . ether saddr . ip6 saddr';
const TARGET = 'iifname . ether saddr . @th,64,128';
/** The gateways' link-local address as raw payload is compared with. */
const GATEWAY_LINK_LOCAL_BYTES = '0xfe800000000000000000000000000001';
const ARP_SENDER = 'iifname . arp saddr ether . arp saddr ip';

/** Chains by name and their rules, each after those it goes to. */
export type Chains = Readonly<Record<string, readonly string[]>>;

/** What a port sends and is not accepted is dropped and counted. */
const CHAINS: Chains = {
  'from-ipv6-source': [
    `ip6 saddr ${GATEWAY_LINK_LOCAL} counter drop`,
    'ip6 saddr fe80::/10 accept',
    // Duplicate address detection and joining groups come before there is an address.
    'ip6 saddr :: icmpv6 type { nd-neighbor-solicit, mld-listener-report, mld2-listener-report } accept',
    `${V6} @${GUARD_SETS.ipv6} accept`,
    `${V6} @${GUARD_SETS.ipv6Prefixes} accept`,
    'counter drop',
  ],
  'from-ipv6-advertisement': [
    `${TARGET} @${GUARD_SETS.targets} goto from-ipv6-source`,
    `${TARGET} @${GUARD_SETS.targetPrefixes} goto from-ipv6-source`,
    // The gateways' link-local address is nobody else's.
    `@th,64,128 ${GATEWAY_LINK_LOCAL_BYTES} counter drop`,
    // fe80::/10 as target: link-local addresses are the guest's own business, under its own MAC address.
    '@th,64,16 & 0xffc0 == 0xfe80 goto from-ipv6-source',
    'counter drop',
  ],
  'from-ipv6': [
    // Guests are no routers and no DHCP servers (RFC 6105, RFC 7610).
    'icmpv6 type { nd-router-advert, nd-redirect } counter drop',
    'udp sport 547 counter drop',
    'icmpv6 type nd-neighbor-advert goto from-ipv6-advertisement',
    'goto from-ipv6-source',
  ],
  'from-arp': [
    `iifname . arp saddr ether != @${GUARD_SETS.macs} counter drop`,
    // Probes (RFC 5227) claim nothing.
    'arp operation request arp saddr ip 0.0.0.0 accept',
    `${ARP_SENDER} @${GUARD_SETS.ipv4} accept`,
    `${ARP_SENDER} @${GUARD_SETS.ipv4Prefixes} accept`,
    'counter drop',
  ],
  'from-ipv4': [
    // Guests are no DHCP servers.
    'udp sport 67 counter drop',
    // A sender's MAC address is one of the port's. That is asked only to tell what was wrong: every packet comes by here.
    `${V4} @${GUARD_SETS.ipv4} accept`,
    `${V4} @${GUARD_SETS.ipv4Prefixes} accept`,
    `iifname . ether saddr != @${GUARD_SETS.macs} counter drop`,
    'counter drop',
  ],
  port: [
    'ether type ip goto from-ipv4',
    `iifname . ether saddr != @${GUARD_SETS.macs} counter drop`,
    'ether type ip6 goto from-ipv6',
    'ether type arp goto from-arp',
    // Nothing but IP and ARP: no VLAN tags, no spanning tree, no LLDP from guests.
    'counter drop',
  ],
};

/** Chains on hooks of the bridge; who a port is, for its policies. */
const HOOKS: Hooks = {
  // All before br_netfilter (-1 and 0), so that nothing else sees what is not allowed.
  prerouting: [
    'prerouting priority -300',
    [
      `meta mark set ${MARKS.none}`,
      `meta mark set iifname map @${PORT_SETS.identities}`,
      `meta mark != ${MARKS.none} goto port`,
      'iifname "obp*" counter drop',
    ],
  ],
  forward: [
    'forward priority -300',
    [
      `meta mark set ${MARKS.elsewhere}`,
      `meta mark set oifname map @${PORT_SETS.identities}`,
      `meta mark ${MARKS.elsewhere} oifname "obp*" counter drop`,
    ],
  ],
  // What was routed was judged for the port that has the address: it goes to that one, or to one without policies.
  output: [
    'output priority -300',
    [
      `meta mark ${MARKS.none} accept`,
      `oifname . meta mark @${PORT_SETS.identified} accept`,
      `oifname @${PORT_SETS.policed} counter drop`,
    ],
  ],
};

/** Chains on hooks, by name: the hook with its priority, and the rules. */
export type Hooks = Readonly<Record<string, readonly [hook: string, rules: readonly string[]]>>;

/** How many rules a table has: whether one was added or taken away is told by their number. */
export const countRules = (chains: Chains, hooks: Hooks): number =>
  [...Object.values(chains), ...Object.values(hooks).map(([, rules]) => rules)].flat().length;

export const GUARD_RULES = countRules(CHAINS, HOOKS);

const block = (head: string, lines: readonly string[]): string =>
  `  ${head} {\n${lines.map((line) => `    ${line}`).join('\n')}\n  }`;

/** Chains, and those on hooks that go to them, as nft(8) reads them. */
export const chainBlocks = (chains: Chains, hooks: Hooks): string[] => [
  ...Object.entries(chains).map(([name, rules]) => block(`chain ${name}`, rules)),
  ...Object.entries(hooks).map(([name, [hook, rules]]) =>
    block(`chain ${name}`, [`type filter hook ${hook}; policy accept;`, ...rules]),
  ),
];

/** For `nft -f -`: replaces the table, whatever it was, in one transaction. */
export function guardScript(comment: string): string {
  const set = (name: string, type: string, flags = ''): string => `  set ${name} { typeof ${type}; ${flags}}`;
  return [
    `table bridge ${GUARD_TABLE}`,
    `delete table bridge ${GUARD_TABLE}`,
    `table bridge ${GUARD_TABLE} {`,
    `  comment "${comment}"`,
    set(GUARD_SETS.macs, 'iifname . ether saddr'),
    set(GUARD_SETS.ipv4, V4),
    set(GUARD_SETS.ipv4Prefixes, V4, 'flags interval; '),
    set(GUARD_SETS.ipv6, V6),
    set(GUARD_SETS.ipv6Prefixes, V6, 'flags interval; '),
    set(GUARD_SETS.targets, TARGET),
    set(GUARD_SETS.targetPrefixes, TARGET, 'flags interval; '),
    `  map ${PORT_SETS.identities} { typeof iifname : meta mark; }`,
    set(PORT_SETS.identified, 'oifname . meta mark'),
    set(PORT_SETS.policed, 'oifname'),
    ...chainBlocks(CHAINS, HOOKS),
    '}',
    '',
  ].join('\n');
}
