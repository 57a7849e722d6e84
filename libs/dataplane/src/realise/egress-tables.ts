import { DEVICE_PREFIXES } from './names.js';

/** Changes with the rules of either table; tables of another revision are loaded anew. */
export const EGRESS_REVISION = 2;

/** In a router's namespace: what goes out and what may come back. */
export const EGRESS_TABLE = 'outboard-egress';
/** In the DPU's namespace: what routers' traffic may do there. */
export const UPLINK_TABLE = 'outboard-uplink';

/** Where the addresses of doors are: reserved for nothing (RFC 1112), so that no tenant and no fabric has them. */
export const DOOR_PREFIX = '240.0.0.0/5';
/** The same of IPv6: nobody forwards it elsewhere (RFC 6666), and no subnet may be in it. */
export const DOOR_PREFIX_IPV6 = '100::/64';

type Chains = Readonly<Record<string, { readonly hook: string; readonly rules: readonly string[] }>>;

const DOOR = `"${DEVICE_PREFIXES.door}*"`;
const EXIT = `"${DEVICE_PREFIXES.exit}*"`;

/** Whatever leaves has the address of the door, whoever sent it; only answers come in. */
const EGRESS: Chains = {
  forward: {
    hook: 'type filter hook forward priority 0',
    rules: [`iifname ${DOOR} ct state established,related accept`, `iifname ${DOOR} counter drop`],
  },
  postrouting: {
    hook: 'type nat hook postrouting priority srcnat',
    rules: [`oifname ${DOOR} masquerade`],
  },
};

/**
 * Routers reach what is beyond the uplink, and nothing of the DPU or of each other. They may send nothing that a DPU
 * would take for a tunnel's: it would come out in another tenant's network. As the uplink forwards for them, what comes
 * from there to anybody else is dropped.
 */
const uplink = (device: string, address: string): Chains => ({
  input: {
    hook: 'type filter hook input priority 0',
    rules: [
      // Of the other end of the exit: what comes from farther away has fewer hops, and the kernel drops it.
      `iifname ${EXIT} icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept`,
      `iifname ${EXIT} counter drop`,
    ],
  },
  forward: {
    hook: 'type filter hook forward priority 0',
    rules: [
      `iifname ${EXIT} oifname != "${device}" counter drop`,
      `iifname ${EXIT} ip saddr != ${DOOR_PREFIX} counter drop`,
      `iifname ${EXIT} ip6 saddr != ${DOOR_PREFIX_IPV6} counter drop`,
      `iifname ${EXIT} udp dport { 4789, 6081 } counter drop`,
      `oifname ${EXIT} ct state established,related accept`,
      `oifname ${EXIT} counter drop`,
      `iifname "${device}" counter drop`,
    ],
  },
  postrouting: {
    hook: 'type nat hook postrouting priority srcnat',
    rules: [
      `oifname "${device}" ip saddr ${DOOR_PREFIX} ${address.includes(':') ? 'drop' : `snat ip to ${address}`}`,
      `oifname "${device}" ip6 saddr ${DOOR_PREFIX_IPV6} masquerade`,
    ],
  },
});

const countRules = (chains: Chains): number =>
  Object.values(chains).reduce((count, { rules }) => count + rules.length, 0);

export const EGRESS_RULES = countRules(EGRESS);
export const UPLINK_RULES = countRules(uplink('', ''));

/** For `nft -f -`: replaces the table in one transaction. */
const script = (table: string, comment: string, chains: Chains): string =>
  [
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    `  comment "${comment}"`,
    ...Object.entries(chains).flatMap(([name, { hook, rules }]) => [
      `  chain ${name} {`,
      `    ${hook}; policy accept;`,
      ...rules.map((rule) => `    ${rule}`),
      '  }',
    ]),
    '}',
    '',
  ].join('\n');

export const egressScript = (comment: string): string => script(EGRESS_TABLE, comment, EGRESS);

/** `way`: the uplink and its address, `p0 192.0.2.7`. */
export function uplinkScript(comment: string, way: string): string {
  const [device = '', address = ''] = way.split(' ');
  return script(UPLINK_TABLE, comment, uplink(device, address));
}
