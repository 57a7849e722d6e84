import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { structs } from '../codec/layout.js';
import { binary, flag, ip, u16, u32 } from '../codec/scalars.js';
import { nested } from '../codec/table.js';

/** Nexthop objects (RTM_NEWNEXTHOP and its kin), which routes and VXLAN entries refer to by `nhId`. */
export const nexthop = defineFamily({
  name: 'nexthop',
  protocol: 'route',
  header: { nhFamily: 'u8', nhScope: 'u8', nhProtocol: 'u8', resvd: 'pad8', nhFlags: 'u32' },
  attributes: {
    id: [1, u32],
    /** Members of a group; `weight` is one less than what ip(8) shows. */
    group: [2, structs({ id: 'u32', weight: 'u8', weightHigh: 'u8', resvd2: 'pad16' })],
    groupType: [3, u16],
    blackhole: [4, flag],
    oif: [5, u32],
    gateway: [6, ip],
    encapType: [7, u16],
    encap: [8, binary],
    groups: [9, flag],
    master: [10, u32],
    fdb: [11, flag],
    resGroup: [12, nested({ buckets: [1, u16], idleTimer: [2, u32], unbalancedTimer: [3, u32] })],
  },
  operations: { new: 104, delete: 105, get: 106 },
});

export type NexthopInput = InputOf<typeof nexthop>;
export type Nexthop = OutputOf<typeof nexthop>;
