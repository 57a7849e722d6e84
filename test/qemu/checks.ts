/** What is tried out in the guest, in this order; each has to be told as true. */
export const CHECKS = {
  capabilities: 'the kernel is found to have GENEVE and VLAN devices',
  applied: 'documents with both kinds of networks are applied and read back on both DPUs',
  nothing: 'a second look finds nothing to be done, and a restarted driver adopts what is there',
  'geneve-near': 'GENEVE: ports of a DPU reach each other by IPv4, IPv6 and TCP',
  'geneve-far':
    'GENEVE: ports of two DPUs reach each other by IPv4, IPv6 and TCP, in packets of the whole MTU',
  'geneve-wire':
    'GENEVE: what crosses the fabric is in UDP datagrams to port 6081 with the identifier of the network',
  'geneve-apart': 'GENEVE: networks with the same addresses stay apart',
  'vlan-far': 'VLAN: ports of two DPUs reach each other by IPv4, IPv6 and TCP, in packets of the whole MTU',
  'vlan-wire': 'VLAN: what crosses the fabric is in no tunnel',
  'vlan-device': 'VLAN: a device of the fabric in the same VLAN is reached, and reaches ports',
  'vlan-apart': 'VLAN: networks with other tags and the same addresses stay apart',
  removed: 'what is not wanted any more is gone from both DPUs',
} as const;

export type Check = keyof typeof CHECKS;

/** A line that the guest prints. */
export interface CheckReport {
  readonly check: Check;
  /** Why it does not hold; absent: it does. */
  readonly why?: string;
  readonly milliseconds: number;
}
