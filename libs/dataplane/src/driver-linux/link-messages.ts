import { IFF, type LinkInput, link, type Message, ONE_QUEUE, upFlags } from '@outboard/netlink';
import { NO_HOST, OUTBOARD_GROUP } from '../kernel/device.js';
import type {
  BridgeSpec,
  DoorSpec,
  ExitSpec,
  GeneveSpec,
  PortSpec,
  TunnelSpec,
  VethSpec,
  VlanSpec,
} from '../realise/linux-objects.js';

/** Hops of the outer header; the inner one is not asked. */
const TUNNEL_TTL = 64;

const born = { group: OUTBOARD_GROUP } as const;

export const createBridge = ({ name, mtu, mac }: BridgeSpec): Message =>
  link.create({
    ...born,
    ifname: name,
    address: mac,
    mtu,
    // Static entries need no protocol against loops, and no learning of who wants which group.
    linkinfo: { kind: 'bridge', data: { stpState: 0, mcastSnooping: false } },
  });

/** Sent in the DPU's namespace: there its socket stays, while the device is born in the router's. */
export function createTunnel(spec: TunnelSpec, netNsFd: number, master: number): Message {
  const { name, mtu, vni, local, destinationPort: port, learning } = spec;
  const source = local.includes(':') ? { local6: local } : { local };
  return link.create({
    ...born,
    ifname: name,
    mtu,
    netNsFd,
    master,
    linkinfo: { kind: 'vxlan', data: { id: vni, ...source, port, learning, ttl: TUNNEL_TTL } },
  });
}

/** As `createTunnel`. The source address of its packets is the one that the DPU's routes choose towards the peer. */
export function createGeneve(spec: GeneveSpec, netNsFd: number, master: number): Message {
  const { name, mtu, vni, remote, destinationPort: port } = spec;
  const peer = remote.includes(':') ? { remote6: remote } : { remote };
  return link.create({
    ...born,
    ifname: name,
    mtu,
    netNsFd,
    master,
    linkinfo: { kind: 'geneve', data: { id: vni, ...peer, port, ttl: TUNNEL_TTL } },
  });
}

/** Sent in the DPU's namespace, where the uplink is, while the device is born in the router's. */
export const createVlan = (
  { name, mtu, vlanId: id }: VlanSpec,
  netNsFd: number,
  master: number,
  uplink: number,
): Message =>
  link.create({
    ...born,
    ifname: name,
    mtu,
    netNsFd,
    master,
    link: uplink,
    linkinfo: { kind: 'vlan', data: { id } },
  });

const vethEnd = { ...born, ...ONE_QUEUE } as const;

/** Both ends at once, each where it belongs; the kernel would take 20 ms to move one. The peer must be born down. */
export const createVeth = ({ name, mtu, peer }: VethSpec | ExitSpec, netNsFd: number): Message =>
  link.create({
    ...vethEnd,
    ifname: name,
    mtu,
    linkinfo: { kind: 'veth', data: { peer: { ...vethEnd, ifname: peer, mtu, netNsFd } } },
  });

/** What can be changed at any time, and what could not be said at birth: the alias, and that it is no host. */
export const settle = (
  spec: BridgeSpec | TunnelSpec | GeneveSpec | VlanSpec | PortSpec | ExitSpec | DoorSpec,
  ifalias: string,
  more: LinkInput = {},
): Message =>
  link.change({ ifname: spec.name, ifalias, mtu: spec.mtu, ...NO_HOST, ...upFlags(spec.up), ...more });

/** The DPU's end answers no ARP: before its gate opens, frames of the tenant must not be heard by the DPU. */
export const settleVeth = ({ name, mtu, up }: VethSpec, ifalias: string): Message =>
  link.change({
    ifname: name,
    ifalias,
    mtu,
    ...NO_HOST,
    ifiFlags: IFF.NOARP | (up ? IFF.UP : 0),
    ifiChange: IFF.NOARP | IFF.UP,
  });

/** What it is as a port of its bridge. The kernel takes this only of a device that is one already. */
export const settleBridgePort = (spec: TunnelSpec | GeneveSpec | VlanSpec | PortSpec): Message =>
  link.change({
    ifname: spec.name,
    linkinfo: {
      slaveKind: 'bridge',
      slaveData: {
        learning: spec.learning,
        unicastFlood: spec.flood,
        ...('neighbourSuppression' in spec ? { neighSuppress: spec.neighbourSuppression } : {}),
        ...('isolated' in spec ? { isolated: spec.isolated } : {}),
      },
    },
  });
