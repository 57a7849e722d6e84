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
export const GUARD_REVISION = 1;

const V4 = 'iifname . ether saddr . ip saddr';
const V6 = 'iifname . ether saddr . ip6 saddr';
const TARGET = 'iifname . ether saddr . @th,64,128';
const ARP_SENDER = 'iifname . arp saddr ether . arp saddr ip';

/** Chains and their rules, each after those it goes to. What a port sends and is not accepted is dropped and counted. */
const CHAINS: Readonly<Record<string, readonly string[]>> = {
  'from-ipv6-source': [
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
  port: [
    // Nothing but IP and ARP: no VLAN tags, no spanning tree, no LLDP from guests.
    'ether type != { ip, ip6, arp } counter drop',
    `iifname . ether saddr != @${GUARD_SETS.macs} counter drop`,
    'ether type arp goto from-arp',
    'ether type ip6 goto from-ipv6',
    // Guests are no DHCP servers.
    'udp sport 67 counter drop',
    `${V4} @${GUARD_SETS.ipv4} accept`,
    `${V4} @${GUARD_SETS.ipv4Prefixes} accept`,
    'counter drop',
  ],
};

const BASE_RULE = 'iifname "obp*" goto port';

/** How many rules the table has: whether one was added or taken away is told by their number. */
export const GUARD_RULES = 1 + Object.values(CHAINS).reduce((count, rules) => count + rules.length, 0);

/** For `nft -f -`: replaces the table, whatever it was, in one transaction. */
export function guardScript(comment: string): string {
  const set = (name: string, type: string, flags = ''): string => `  set ${name} { typeof ${type}; ${flags}}`;
  const chain = (name: string, rules: readonly string[]): string =>
    `  chain ${name} {\n${rules.map((rule) => `    ${rule}`).join('\n')}\n  }`;
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
    ...Object.entries(CHAINS).map(([name, rules]) => chain(name, rules)),
    '  chain prerouting {',
    // Before br_netfilter (0), so that nothing else sees what is not allowed.
    '    type filter hook prerouting priority -300; policy accept;',
    `    ${BASE_RULE}`,
    '  }',
    '}',
    '',
  ].join('\n');
}
