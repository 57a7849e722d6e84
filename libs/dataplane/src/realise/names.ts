import { hash as digest } from 'node:crypto';
import { LEAST_PORT_MARK } from './port-sets.js';
import { remembered } from './remembered.js';

/** Every name of ours starts so: namespaces with `ob-`, devices with `ob` and a letter for their role. */
export const NAMESPACE_PREFIX = 'ob-';
export const DEVICE_PREFIXES = {
  bridge: 'obb',
  tunnel: 'obx',
  geneve: 'obg',
  vlan: 'obl',
  veth: 'obv',
  port: 'obp',
  uplink: 'obu',
  fabric: 'obf',
  exit: 'obe',
  door: 'obd',
  trunk: 'obk',
  vlanPort: 'obs',
} as const;

/**
 * The ends of a veth, in the DPU's namespace and in a router's: of a port, of a bridge that is joined
 * to a fabric, of a way out. */
const VETH_ENDS = [
  [DEVICE_PREFIXES.veth, DEVICE_PREFIXES.port],
  [DEVICE_PREFIXES.uplink, DEVICE_PREFIXES.fabric],
  [DEVICE_PREFIXES.exit, DEVICE_PREFIXES.door],
] as const;

/** The name of the end in a router's namespace of the veth with that name; undefined: no veth of ours is called so. */
export function peerOfVeth(veth: string): string | undefined {
  const [own, other] = VETH_ENDS.find(([prefix]) => veth.startsWith(prefix)) ?? [];
  return own === undefined ? undefined : veth.replace(own, other ?? '');
}

/** The name of the end in the DPU's namespace of the veth whose other end has that name. */
export function vethOfPeer(peer: string): string | undefined {
  const [other, own] = VETH_ENDS.find(([, prefix]) => peer.startsWith(prefix)) ?? [];
  return own === undefined ? undefined : peer.replace(own, other ?? '');
}

/** Linux allows device names of 15 bytes: 3 for the role, 12 hexadecimal digits (48 bits) for whose it is. */
const DEVICE_DIGITS = 12;
const NAMESPACE_DIGITS = 8;
const READABLE_LENGTH = 12;
const MEMORISED = 4096;

const hash = remembered((text) => digest('sha256', text, 'hex').slice(0, DEVICE_DIGITS));

/** True for devices of ours that have addresses: those of gateways and of ways out. */
export const isAddressedDevice = (name: string): boolean =>
  [DEVICE_PREFIXES.bridge, DEVICE_PREFIXES.exit, DEVICE_PREFIXES.door].some((prefix) =>
    name.startsWith(prefix),
  );

/** The two ends of a router's way out: the exit is in the DPU's namespace, the door in the router's. */
export const exitName = (namespace: string): string => `${DEVICE_PREFIXES.exit}${hash(`${namespace} exit`)}`;
export const doorName = (namespace: string): string => `${DEVICE_PREFIXES.door}${hash(`${namespace} exit`)}`;

/** Each endpoint of a network names these. */
export const bridgeName = remembered((networkUid) => `${DEVICE_PREFIXES.bridge}${hash(networkUid)}`);
const tunnelOf = remembered((network) => `${DEVICE_PREFIXES.tunnel}${hash(network)}`);
export const tunnelName = (networkUid: string, vni: number): string => tunnelOf(`${networkUid} ${vni}`);

/**
 * The bridge's own address, the same on every DPU. Without one, a bridge takes the least of its ports', and whenever
 * that changes the kernel forgets all neighbours of the bridge, permanent ones too (neigh_changeaddr).
 */
export const bridgeMac = (networkUid: string): string =>
  `0e:${(hash(`${networkUid} bridge`).slice(0, 10).match(/../g) ?? []).join(':')}`;

/** One for each peer, as GENEVE devices have no table of remote addresses. */
export const geneveName = (networkUid: string, vni: number, remote: string): string =>
  `${DEVICE_PREFIXES.geneve}${hash(`${networkUid} ${vni} ${remote}`)}`;

/** What a network has of an uplink: a VLAN device, or the ends of a veth. */
export const vlanName = (networkUid: string, uplink: string, vlanId: number): string =>
  `${DEVICE_PREFIXES.vlan}${hash(`${networkUid} ${uplink} ${vlanId}`)}`;
export const uplinkName = (networkUid: string, uplink: string): string =>
  `${DEVICE_PREFIXES.uplink}${hash(`${networkUid} ${uplink}`)}`;
export const fabricName = (networkUid: string, uplink: string): string =>
  `${DEVICE_PREFIXES.fabric}${hash(`${networkUid} ${uplink}`)}`;

/** A port that moves to another network gets another veth: the peer cannot be moved cheaply. */
export const vethName = (portUid: string, networkUid: string): string =>
  `${DEVICE_PREFIXES.veth}${hash(`${portUid} ${networkUid}`)}`;
export const portName = (portUid: string, networkUid: string): string =>
  `${DEVICE_PREFIXES.port}${hash(`${portUid} ${networkUid}`)}`;

/** The two ends of the patch by which a port is a VLAN of another: that of its parent, and its own. */
export const trunkName = (portUid: string): string => `${DEVICE_PREFIXES.trunk}${hash(`${portUid} trunk`)}`;
export const vlanPortName = (portUid: string): string =>
  `${DEVICE_PREFIXES.vlanPort}${hash(`${portUid} trunk`)}`;

/** By which device, or port of the switch, an endpoint's untagged frames come and go. */
export const deviceOf = ({ portUid, representor, vlanId }: EndpointPlace): string =>
  vlanId === 0 ? representor : vlanPortName(portUid);

interface EndpointPlace {
  readonly portUid: string;
  readonly representor: string;
  readonly vlanId: number;
}

/** What packets from and to a port bear while they are judged. Two ports with the same one do not stand together. */
export const portMark = (portUid: string, networkUid: string): number =>
  Math.max(LEAST_PORT_MARK, Number.parseInt(hash(`${portUid} ${networkUid}`).slice(0, 8), 16) & 0x7fffffff);

const namespaces = new Map<string, string>();

/**
 * The namespace of a router: readable in front, unique by its end. The DPU takes part, so that several DPUs may share
 * one directory of names (as they do in a testbed), and so that each recognises its own.
 */
export function namespaceName(dpu: string, routerKey: string): string {
  const known = namespaces.get(`${dpu} ${routerKey}`);
  if (known !== undefined) return known;
  const [, tenant = '', router = ''] = routerKey.split('/');
  const readable = [dpu, tenant, router]
    .map((part) => part.replace(/[^A-Za-z0-9]+/g, '').slice(0, READABLE_LENGTH))
    .join('-');
  const name = `${NAMESPACE_PREFIX}${readable}-${hash(`${dpu} ${routerKey}`).slice(0, NAMESPACE_DIGITS)}`;
  if (namespaces.size >= MEMORISED) namespaces.clear();
  namespaces.set(`${dpu} ${routerKey}`, name);
  return name;
}

/** True for what `namespaceName` can give: names that are not are no business of ours, whatever they start with. */
export const isNamespaceName = (name: string): boolean =>
  /^ob-[A-Za-z0-9]*-[A-Za-z0-9]*-[A-Za-z0-9]*-[0-9a-f]{8}$/.test(name);

/** What we write into a device's alias (IFLA_IFALIAS): whose it is and why. */
export const aliasOf = (owner: string, key: string): string => `outboard:${owner}:${key}`;

/** The owner and the neutral key of an alias of ours; undefined for any other text. */
export function parseAlias(alias: string | undefined): { owner: string; key: string } | undefined {
  const match = /^outboard:([^:]+):(.+)$/.exec(alias ?? '');
  const [, owner, key] = match ?? [];
  return owner === undefined || key === undefined ? undefined : { owner, key };
}
