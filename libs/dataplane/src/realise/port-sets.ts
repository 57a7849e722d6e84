/**
 * Who ports are to policies. Packets bear the mark of the port that they come from, then that of the port that they go
 * to. `ingress` and `egress` say what is to be done with connections to and from a port, or where that is written;
 * `judged` are the ports of which something is written.
 */
export const PORT_SETS = {
  identities: 'identities',
  identified: 'identified',
  policed: 'policed',
  ingress: 'ingress',
  egress: 'egress',
  judged: 'judged',
  addresses4: 'addresses4',
  addresses6: 'addresses6',
} as const;

/** Those of them that are in the bridge's table; the others are in that of the policies. */
export const BRIDGE_PORT_SETS: ReadonlySet<string> = new Set([
  PORT_SETS.identities,
  PORT_SETS.identified,
  PORT_SETS.policed,
]);

/** Destination ports by name: (address, protocol, port, name). */
export const NAMED_PORT_SETS = { 4: 'named4', 6: 'named6' } as const;

/** Marks that mean no port. The kernel's default; a frame that is bridged to another DPU; a packet that is routed to nobody that is known. */
export const MARKS = { none: 0, elsewhere: 1, unknown: 2 } as const;
/** Marks of ports are above these. */
export const LEAST_PORT_MARK = 3;
/** While a packet is judged: a policy has passed it on to the DEFAULT tier. */
export const PASSED_MARK = 0x80000000;
