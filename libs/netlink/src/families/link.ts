import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import type { Layout } from '../codec/layout.js';
import { struct } from '../codec/layout.js';
import { binary, bool8, mac, s32, string, u8, u32 } from '../codec/scalars.js';
import { type AttributeTable, list, nested } from '../codec/table.js';
import { linkinfoOf } from './link-kinds.js';

/** net_device flags (linux/if.h). */
export const IFF = {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  POINTOPOINT: 0x10,
  RUNNING: 0x40,
  NOARP: 0x80,
  PROMISC: 0x100,
  MULTICAST: 0x1000,
  LOWER_UP: 0x10000,
} as const;

/** RFC 2863 operational states, the values of `operstate`. */
export const OPER_STATE = {
  UNKNOWN: 0,
  NOTPRESENT: 1,
  DOWN: 2,
  LOWERLAYERDOWN: 3,
  TESTING: 4,
  DORMANT: 5,
  UP: 6,
} as const;

/** Bits of `extMask` in a request: what a dump carries besides (linux/rtnetlink.h). */
export const RTEXT_FILTER = { VF: 1, BRVLAN: 2, SKIP_STATS: 8 } as const;

const ifinfomsg = {
  ifiFamily: 'u8',
  ifiPad: 'pad8',
  ifiType: 'u16',
  ifiIndex: 's32',
  ifiFlags: 'u32',
  ifiChange: 'u32',
} satisfies Layout;

const stats64 = struct({
  rxPackets: 'u64',
  txPackets: 'u64',
  rxBytes: 'u64',
  txBytes: 'u64',
  rxErrors: 'u64',
  txErrors: 'u64',
  rxDropped: 'u64',
  txDropped: 'u64',
});

const attributes = {
  address: [1, mac],
  broadcast: [2, mac],
  ifname: [3, string],
  mtu: [4, u32],
  link: [5, u32],
  qdisc: [6, string],
  master: [10, u32],
  txqlen: [13, u32],
  operstate: [16, u8],
  linkmode: [17, u8],
  netNsPid: [19, u32],
  ifalias: [20, string],
  numVf: [21, u32],
  stats64: [23, stats64],
  afSpec: [
    26,
    nested({ inet6: [10, nested({ flags: [1, u32], token: [7, binary], addrGenMode: [8, u8] })] }),
  ],
  group: [27, u32],
  netNsFd: [28, u32],
  extMask: [29, u32],
  promiscuity: [30, u32],
  numTxQueues: [31, u32],
  numRxQueues: [32, u32],
  carrier: [33, bool8],
  physPortId: [34, binary],
  carrierChanges: [35, u32],
  physSwitchId: [36, binary],
  linkNetnsid: [37, s32],
  physPortName: [38, string],
  protoDown: [39, bool8],
  gsoMaxSegs: [40, u32],
  gsoMaxSize: [41, u32],
  newNetnsid: [45, s32],
  targetNetnsid: [46, s32],
  newIfindex: [49, s32],
  minMtu: [50, u32],
  maxMtu: [51, u32],
  propList: [52, list(53, string)],
  altIfname: [53, string],
  permAddress: [54, mac],
  parentDevName: [56, string],
  parentDevBusName: [57, string],
} satisfies AttributeTable;

/**
 * Network devices (RTM_NEWLINK and its kin). A veth pair is one `create` with `linkinfo.data.peer`, whose `netNsFd`
 * places the peer and whose `ifiIndex` fixes its index. IFF.UP on a peer is refused with ENOTCONN: set it later.
 * A `create` takes `master`, but the kernel silently ignores `ifalias` and `linkinfo.slaveData` in it: `change` them.
 */
export const link = defineFamily({
  name: 'link',
  protocol: 'route',
  header: ifinfomsg,
  attributes: { ...attributes, linkinfo: [18, linkinfoOf(ifinfomsg, attributes)] },
  operations: { new: 16, delete: 17, get: 18 },
});

export type LinkInput = InputOf<typeof link>;
export type Link = OutputOf<typeof link>;
