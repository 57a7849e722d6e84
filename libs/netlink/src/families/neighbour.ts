import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { struct } from '../codec/layout.js';
import { be16, ip, mac, s32, u8, u16, u32 } from '../codec/scalars.js';
import { nested } from '../codec/table.js';

/** Bits of `ndmState` (linux/neighbour.h). PERMANENT entries are exempt from garbage collection. */
export const NUD = {
  INCOMPLETE: 0x01,
  REACHABLE: 0x02,
  STALE: 0x04,
  DELAY: 0x08,
  PROBE: 0x10,
  FAILED: 0x20,
  NOARP: 0x40,
  PERMANENT: 0x80,
} as const;
/** Bits of `ndmFlags`. For FDB entries SELF means the device's own table, MASTER its bridge's. */
export const NTF = {
  USE: 0x01,
  SELF: 0x02,
  MASTER: 0x04,
  PROXY: 0x08,
  EXT_LEARNED: 0x10,
  OFFLOADED: 0x20,
  STICKY: 0x40,
  ROUTER: 0x80,
} as const;

/**
 * Neighbours (ARP, ND) and, with `ndmFamily: AF.BRIDGE`, forwarding entries of bridges and VXLAN devices.
 * `protocol` is the ownership mark; the kernel keeps it for neighbours and drops it for FDB entries.
 */
export const neighbour = defineFamily({
  name: 'neighbour',
  protocol: 'route',
  header: {
    ndmFamily: 'u8',
    ndmPad: 'pad24',
    ndmIfindex: 's32',
    ndmState: 'u16',
    ndmFlags: 'u8',
    ndmType: 'u8',
  },
  attributes: {
    dst: [1, ip],
    lladdr: [2, mac],
    cacheinfo: [3, struct({ confirmed: 'u32', used: 'u32', updated: 'u32', refcnt: 'u32' })],
    probes: [4, u32],
    vlan: [5, u16],
    port: [6, be16],
    vni: [7, u32],
    ifindex: [8, u32],
    master: [9, u32],
    linkNetnsid: [10, s32],
    srcVni: [11, u32],
    protocol: [12, u8],
    nhId: [13, u32],
    fdbExtAttrs: [14, nested({ activityNotify: [1, u8] })],
    flagsExt: [15, u32],
    ndmStateMask: [16, u16],
    ndmFlagsMask: [17, u8],
  },
  operations: { new: 28, delete: 29, get: 30 },
});

export type NeighbourInput = InputOf<typeof neighbour>;
export type Neighbour = OutputOf<typeof neighbour>;
