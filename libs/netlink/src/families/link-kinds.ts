import type { Layout } from '../codec/layout.js';
import { struct } from '../codec/layout.js';
import { be16, be32, binary, bool8, flag, ip, mac, string, u8, u16, u32 } from '../codec/scalars.js';
import { type AttributeTable, embedded, nested, selected } from '../codec/table.js';

// linux/if_link.h; names as in the kernel's Documentation/netlink/specs/rt-link.yaml, lowerCamel.

const bridge = {
  forwardDelay: [1, u32],
  helloTime: [2, u32],
  maxAge: [3, u32],
  ageingTime: [4, u32],
  stpState: [5, u32],
  priority: [6, u16],
  vlanFiltering: [7, bool8],
  vlanProtocol: [8, be16],
  groupFwdMask: [9, u16],
  rootId: [10, binary],
  bridgeId: [11, binary],
  groupAddr: [20, mac],
  fdbFlush: [21, flag],
  mcastRouter: [22, u8],
  mcastSnooping: [23, bool8],
  mcastQuerier: [25, bool8],
  nfCallIptables: [36, bool8],
  nfCallIp6tables: [37, bool8],
  nfCallArptables: [38, bool8],
  vlanDefaultPvid: [39, u16],
  multiBoolopt: [46, struct({ optval: 'u32', optmask: 'u32' })],
} satisfies AttributeTable;

const bridgePort = {
  state: [1, u8],
  priority: [2, u16],
  cost: [3, u32],
  /** Hairpin: a frame may leave through the port by which it came. */
  mode: [4, bool8],
  guard: [5, bool8],
  protect: [6, bool8],
  fastLeave: [7, bool8],
  learning: [8, bool8],
  unicastFlood: [9, bool8],
  proxyarp: [10, bool8],
  learningSync: [11, bool8],
  proxyarpWifi: [12, bool8],
  designatedPort: [15, u16],
  designatedCost: [16, u16],
  id: [17, u16],
  no: [18, u16],
  flush: [24, flag],
  multicastRouter: [25, u8],
  mcastFlood: [27, bool8],
  mcastToUcast: [28, bool8],
  vlanTunnel: [29, bool8],
  bcastFlood: [30, bool8],
  groupFwdMask: [31, u16],
  neighSuppress: [32, bool8],
  isolated: [33, bool8],
  backupPort: [34, u32],
  locked: [39, bool8],
  mab: [40, bool8],
} satisfies AttributeTable;

const vxlan = {
  id: [1, u32],
  group: [2, ip],
  link: [3, u32],
  local: [4, ip],
  ttl: [5, u8],
  tos: [6, u8],
  learning: [7, bool8],
  ageing: [8, u32],
  limit: [9, u32],
  portRange: [10, struct({ low: 'be16', high: 'be16' })],
  proxy: [11, bool8],
  rsc: [12, bool8],
  l2miss: [13, bool8],
  l3miss: [14, bool8],
  port: [15, be16],
  group6: [16, ip],
  local6: [17, ip],
  udpCsum: [18, bool8],
  udpZeroCsum6Tx: [19, bool8],
  udpZeroCsum6Rx: [20, bool8],
  gbp: [23, flag],
  collectMetadata: [25, bool8],
  label: [26, be32],
  gpe: [27, flag],
  ttlInherit: [28, bool8],
  df: [29, u8],
  vnifilter: [30, bool8],
  localbypass: [31, bool8],
} satisfies AttributeTable;

const geneve = {
  id: [1, u32],
  remote: [2, ip],
  ttl: [3, u8],
  tos: [4, u8],
  port: [5, be16],
  collectMetadata: [6, flag],
  remote6: [7, ip],
  udpCsum: [8, bool8],
  udpZeroCsum6Tx: [9, bool8],
  udpZeroCsum6Rx: [10, bool8],
  label: [11, be32],
  ttlInherit: [12, bool8],
  df: [13, u8],
} satisfies AttributeTable;

const vlan = {
  id: [1, u16],
  flags: [2, struct({ flags: 'u32', mask: 'u32' })],
  protocol: [5, be16],
} satisfies AttributeTable;

const vrf = { table: [1, u32] } satisfies AttributeTable;
const vrfPort = { table: [1, u32] } satisfies AttributeTable;
const macvlan = { mode: [1, u32], flags: [2, u16] } satisfies AttributeTable;
const none = {} satisfies AttributeTable;

/** IFLA_LINKINFO, given how a veth's peer is described (a link within a link). */
export const linkinfoOf = <const Header extends Layout, const Table extends AttributeTable>(
  header: Header,
  peerAttributes: Table,
) =>
  nested({
    kind: [1, string],
    data: [
      2,
      selected('kind', {
        bridge: nested(bridge),
        vxlan: nested(vxlan),
        geneve: nested(geneve),
        vlan: nested(vlan),
        vrf: nested(vrf),
        macvlan: nested(macvlan),
        veth: nested({ peer: [1, embedded(header, peerAttributes)] }),
        ifb: nested(none),
        dummy: nested(none),
      }),
    ],
    slaveKind: [4, string],
    slaveData: [5, selected('slaveKind', { bridge: nested(bridgePort), vrf: nested(vrfPort) })],
  });
