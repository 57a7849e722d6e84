import { type Chains, chainBlocks, countRules, type Hooks } from './guard-table.js';
import { MARKS, NAMED_PORT_SETS, PORT_SETS } from './port-sets.js';

export const POLICY_TABLE = 'outboard-policies';

/** Changes with the table's fixed part; one of another revision is loaded anew. */
export const POLICY_REVISION = 4;

/** What belongs to no connection cannot be judged by who opened it. */
const STATELESS = 'ct state invalid,untracked goto stateless';

const CHAINS: Chains = {
  stateless: [
    // Neighbour discovery and multicast listeners; who may send them is the guard's business. None of it is tracked.
    'icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } accept',
    `meta mark @${PORT_SETS.judged} counter drop`,
    'accept',
  ],
  // To the port that has the address, or forwards what is for it.
  routed: [
    `meta mark set oifname . rt ip nexthop map @${PORT_SETS.addresses4}`,
    `meta mark set oifname . rt ip6 nexthop map @${PORT_SETS.addresses6}`,
    `meta mark ${MARKS.none} meta mark set ${MARKS.unknown}`,
    // Nobody, or somebody else's: judged where it is known.
    `meta mark ${MARKS.unknown} accept`,
  ],
};

/**
 * Every packet is judged twice: when it has come in, for the port that it comes from, and when it is known where it
 * goes, for that port. Both times by its connection: the port that opened it by its egress, the one that accepts it by
 * its ingress, whichever way the packet goes. A port of which nothing is known gets and sends nothing.
 */
const HOOKS: Hooks = {
  // After connection tracking (-200) and address translation (-100).
  source: [
    'prerouting priority -50',
    [
      `meta mark ${MARKS.none} accept`,
      STATELESS,
      `ct direction original meta mark vmap @${PORT_SETS.egress}`,
      `ct direction reply meta mark vmap @${PORT_SETS.ingress}`,
      'counter drop',
    ],
  ],
  'source-done': ['prerouting priority -49', [`meta mark set ${MARKS.none}`]],
  destination: [
    'forward priority 0',
    [
      // Bridged to another DPU: that one judges. The mark must not reach the tunnel.
      `meta mark ${MARKS.elsewhere} meta mark set ${MARKS.none} accept`,
      `meta mark ${MARKS.none} jump routed`,
      STATELESS,
      `ct direction original meta mark vmap @${PORT_SETS.ingress}`,
      `ct direction reply meta mark vmap @${PORT_SETS.egress}`,
      'counter drop',
    ],
  ],
};

/** The chains that are not of policies and ports. */
export const FIXED_POLICY_CHAINS: ReadonlySet<string> = new Set(
  [CHAINS, HOOKS].flatMap((chains) => Object.keys(chains)),
);

/** How many rules these have. */
export const POLICY_RULES = countRules(CHAINS, HOOKS);

/** For `nft -f -`: replaces the table in one transaction, and with it what policies and ports have there. */
export const policyScript = (comment: string): string =>
  [
    `table inet ${POLICY_TABLE}`,
    `delete table inet ${POLICY_TABLE}`,
    `table inet ${POLICY_TABLE} {`,
    `  comment "${comment}"`,
    `  map ${PORT_SETS.ingress} { typeof meta mark : verdict; }`,
    `  map ${PORT_SETS.egress} { typeof meta mark : verdict; }`,
    `  set ${PORT_SETS.judged} { typeof meta mark; }`,
    `  map ${PORT_SETS.addresses4} { typeof oifname . ip daddr : meta mark; }`,
    `  map ${PORT_SETS.addresses6} { typeof oifname . ip6 daddr : meta mark; }`,
    `  set ${NAMED_PORT_SETS[4]} { typeof ip daddr . meta l4proto . th dport . oifname; }`,
    `  set ${NAMED_PORT_SETS[6]} { typeof ip6 daddr . meta l4proto . th dport . oifname; }`,
    ...chainBlocks(CHAINS, HOOKS),
    '}',
    '',
  ].join('\n');
