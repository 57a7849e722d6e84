import type { Source } from '../codec/bytes.js';
import { DecodeError, rethrowWithin } from '../codec/errors.js';
import { defineFamily, type InputOf, type OutputOf } from '../codec/family.js';
import { struct } from '../codec/layout.js';
import { type AttributeType, be32, binary, ip, string, u8, u16, u32 } from '../codec/scalars.js';
import { compile, type MessageInput, type MessageOutput, nested } from '../codec/table.js';

/** Address families that rtnetlink messages name (linux/socket.h). */
export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;
/** `rtmType` (linux/rtnetlink.h). */
export const RTN = {
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
  THROW: 9,
} as const;
/** `rtmScope`. */
export const RT_SCOPE = { UNIVERSE: 0, SITE: 200, LINK: 253, HOST: 254, NOWHERE: 255 } as const;
/** Tables; numbers above 255 go into the attribute `table` with `rtmTable` UNSPEC. */
export const RT_TABLE = { UNSPEC: 0, DEFAULT: 253, MAIN: 254, LOCAL: 255 } as const;
/** `rtmProtocol`, who put a route there; above STATIC they are the administrator's to use. */
export const RTPROT = { UNSPEC: 0, REDIRECT: 1, KERNEL: 2, BOOT: 3, STATIC: 4 } as const;
/** Bits of `rtmFlags` and of a hop's `rtnhFlags`. OFFLOAD and TRAP tell what the hardware took. */
export const RTNH_F = {
  DEAD: 1,
  PERVASIVE: 2,
  ONLINK: 4,
  OFFLOAD: 8,
  LINKDOWN: 16,
  UNRESOLVED: 32,
  TRAP: 64,
} as const;
export const RTM_F = { OFFLOAD: 0x4000, TRAP: 0x8000, OFFLOAD_FAILED: 0x20000000 } as const;

const metrics = nested({
  lock: [1, u32],
  mtu: [2, u32],
  window: [3, u32],
  rtt: [4, u32],
  rttvar: [5, u32],
  ssthresh: [6, u32],
  cwnd: [7, u32],
  advmss: [8, u32],
  reordering: [9, u32],
  hoplimit: [10, u32],
  initcwnd: [11, u32],
  features: [12, u32],
  rtoMin: [13, u32],
  initrwnd: [14, u32],
  quickack: [15, u32],
  ccAlgo: [16, string],
});

const rtnexthop = { rtnhFlags: 'u8', rtnhHops: 'u8', rtnhIfindex: 's32' } as const;
const hopAttributes = { gateway: [5, ip], flow: [11, u32], via: [18, binary], encapType: [21, u16] } as const;
type HopInput = MessageInput<typeof rtnexthop, typeof hopAttributes>;
type Hop = MessageOutput<typeof rtnexthop, typeof hopAttributes>;

const LENGTH_OF_LENGTH = 2;
const RTNEXTHOP_LENGTH = 8;
const hop = compile({ rtnhLength: 'pad16', ...rtnexthop }, hopAttributes);

/** RTA_MULTIPATH: structures rtnexthop one after the other, each with its length and attributes of its own. */
const multipath: AttributeType<readonly HopInput[], Hop[]> = {
  write(writer, id, hops) {
    const start = writer.open(id);
    hops.forEach((value, index) => {
      const at = writer.length;
      try {
        hop.write(writer, value);
      } catch (failure) {
        rethrowWithin(`[${index}]`, failure);
      }
      writer.view.setUint16(at, writer.length - at, true);
    });
    writer.close(start);
  },
  read(source: Source, offset, length) {
    const hops: Hop[] = [];
    const end = offset + length;
    for (let at = offset; at + LENGTH_OF_LENGTH <= end; ) {
      const size = source.view.getUint16(at, true);
      if (size < RTNEXTHOP_LENGTH || at + size > end) {
        throw new DecodeError(`has a hop of ${size} bytes where ${end - at} are left`);
      }
      hops.push(hop.read(source, at, at + size));
      at += (size + 3) & ~3;
    }
    return hops;
  },
};

/** Routes (RTM_NEWROUTE and its kin), IPv4 and IPv6. The prefix is `dst` with `rtmDstLen`. */
export const route = defineFamily({
  name: 'route',
  protocol: 'route',
  header: {
    rtmFamily: 'u8',
    rtmDstLen: 'u8',
    rtmSrcLen: 'u8',
    rtmTos: 'u8',
    rtmTable: 'u8',
    rtmProtocol: 'u8',
    rtmScope: 'u8',
    rtmType: 'u8',
    rtmFlags: 'u32',
  },
  attributes: {
    dst: [1, ip],
    src: [2, ip],
    iif: [3, u32],
    oif: [4, u32],
    gateway: [5, ip],
    priority: [6, u32],
    prefsrc: [7, ip],
    metrics: [8, metrics],
    multipath: [9, multipath],
    flow: [11, u32],
    cacheinfo: [
      12,
      struct({
        rtaClntref: 'u32',
        rtaLastuse: 'u32',
        rtaExpires: 'u32',
        rtaError: 'u32',
        rtaUsed: 'u32',
      }),
    ],
    table: [15, u32],
    mark: [16, u32],
    via: [18, binary],
    pref: [20, u8],
    encapType: [21, u16],
    encap: [22, binary],
    expires: [23, u32],
    uid: [25, u32],
    ttlPropagate: [26, u8],
    ipProto: [27, u8],
    sport: [28, u16],
    dport: [29, u16],
    nhId: [30, u32],
    flowlabel: [31, be32],
  },
  operations: { new: 24, delete: 25, get: 26 },
});

export type RouteInput = InputOf<typeof route>;
export type Route = OutputOf<typeof route>;
