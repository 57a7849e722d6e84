export const GATEWAY_TABLE = 'outboard-gateways';

/** Changes with the rules; a table of another revision is loaded anew. */
export const GATEWAY_REVISION = 1;

/**
 * What the router's own addresses answer: pings, and who has them (ARP is asked of no table). Everything else that is
 * for the namespace itself is dropped and counted; what it forwards does not come by here.
 */
const INPUT = [
  'icmp type echo-request accept',
  'icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert } accept',
  'counter drop',
];

export const GATEWAY_RULES = INPUT.length;

/** For `nft -f -`: replaces the table in one transaction. */
export const gatewayScript = (comment: string): string =>
  [
    `table inet ${GATEWAY_TABLE}`,
    `delete table inet ${GATEWAY_TABLE}`,
    `table inet ${GATEWAY_TABLE} {`,
    `  comment "${comment}"`,
    '  chain input {',
    '    type filter hook input priority 0; policy drop;',
    ...INPUT.map((rule) => `    ${rule}`),
    '  }',
    '}',
    '',
  ].join('\n');
