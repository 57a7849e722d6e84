import { IFF, type Link, link, type MessageFamily } from '@outboard/netlink';
import type { Ownership } from '../driver.js';
import { parseAlias } from '../realise/names.js';

/**
 * Our mark on devices from the moment of their birth (IFLA_GROUP): the kernel sets no alias while it creates a device,
 * and a crash in between must not leave something that nobody recognises. `obd` and `obe` in ASCII.
 */
export const OUTBOARD_GROUP = 0x6f6264;
/** What is about to be deleted, all at once. */
export const DELETION_GROUP = 0x6f6265;

const ADDR_GEN_MODE_NONE = 1;
/** No IPv6 address of its own: bridges, their ports and ways out are no hosts. */
export const NO_HOST = { afSpec: { inet6: { addrGenMode: ADDR_GEN_MODE_NONE } } } as const;

/** The part of a link message that the driver works with. */
export interface Device {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Somebody said that it is to take in what is for any MAC address. */
  readonly promiscuous: boolean;
  readonly mtu: number;
  readonly alias: string;
  readonly group: number;
  readonly kind: string;
  /** Index of the bridge it is a port of; 0: none. */
  readonly master: number;
  /** Index of the veth's other end, or of the device that a VLAN is of, in its own namespace. */
  readonly peer: number;
  readonly vxlan: { readonly vni: number; readonly local: string; readonly port: number } | undefined;
  readonly geneve: { readonly vni: number; readonly remote: string; readonly port: number } | undefined;
  /** Of a VLAN device. */
  readonly vlanId: number;
  readonly bridgePort:
    | {
        readonly learning: boolean;
        readonly flood: boolean;
        readonly neighbourSuppression: boolean;
        readonly isolated: boolean;
      }
    | undefined;
  readonly address: string;
  readonly permanentAddress: string;
  readonly carrier: boolean;
  readonly physPortName: string;
  readonly switchId: string;
}

const READ = {
  ifname: true,
  mtu: true,
  ifalias: true,
  group: true,
  master: true,
  link: true,
  address: true,
  permAddress: true,
  carrier: true,
  physPortName: true,
  physSwitchId: true,
  linkinfo: {
    kind: true,
    data: { id: true, local: true, local6: true, remote: true, port: true },
    slaveKind: true,
    slaveData: { learning: true, unicastFlood: true, neighSuppress: true, isolated: true },
  },
} as const;

/** Of a link message, what a device is made of: several of them tell each change of one, with forty attributes each. */
export const DEVICE_LINK: MessageFamily<Link> = link.reading(READ);

/** `link`: as `DEVICE_LINK` reads it. */
export function deviceOf(link: Pick<Link, 'ifiIndex' | 'ifiFlags' | keyof typeof READ>): Device {
  const data = link.linkinfo?.data;
  const port = link.linkinfo?.slaveKind === 'bridge' ? link.linkinfo.slaveData : undefined;
  const kind = link.linkinfo?.kind ?? '';
  return {
    index: link.ifiIndex,
    name: link.ifname ?? '',
    up: (link.ifiFlags & IFF.UP) !== 0,
    promiscuous: (link.ifiFlags & IFF.PROMISC) !== 0,
    mtu: link.mtu ?? 0,
    alias: link.ifalias ?? '',
    group: link.group ?? 0,
    kind,
    master: link.master ?? 0,
    peer: link.link ?? 0,
    vxlan:
      kind === 'vxlan' && data !== undefined
        ? { vni: Number(data.id ?? 0), local: data.local ?? data.local6 ?? '', port: Number(data.port ?? 0) }
        : undefined,
    geneve:
      kind === 'geneve' && data !== undefined
        ? {
            vni: Number(data.id ?? 0),
            remote: data.remote ?? data.remote6 ?? '',
            port: Number(data.port ?? 0),
          }
        : undefined,
    vlanId: kind === 'vlan' ? Number(data?.id ?? 0) : 0,
    bridgePort:
      port === undefined
        ? undefined
        : {
            learning: port.learning ?? true,
            flood: port.unicastFlood ?? true,
            neighbourSuppression: port.neighSuppress ?? false,
            isolated: port.isolated ?? false,
          },
    address: link.address ?? '',
    permanentAddress: link.permAddress ?? '',
    carrier: link.carrier ?? false,
    physPortName: link.physPortName ?? '',
    switchId: link.physSwitchId === undefined ? '' : Buffer.from(link.physSwitchId).toString('hex'),
  };
}

/** Whose a device is that has a name of ours, or (`borrowed`) one that we use while it stays somebody else's. */
export function ownershipOf(device: Device, borrowed = false): Ownership {
  const mark = parseAlias(device.alias);
  if (mark !== undefined) return { kind: 'owned', owner: mark.owner };
  if (device.alias !== '') {
    return {
      kind: 'foreign',
      found: `the ${device.kind || 'device'} with the alias ${JSON.stringify(device.alias)}`,
    };
  }
  if (borrowed) return { kind: 'free' };
  if (device.group === OUTBOARD_GROUP || device.group === DELETION_GROUP) return { kind: 'owned' };
  return { kind: 'foreign', found: `a ${device.kind || 'device'} without our mark` };
}
