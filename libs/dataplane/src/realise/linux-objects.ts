import type { FixedTableName } from './fixed-tables.js';

/**
 * What neutral objects become on Linux. Devices whose name starts with `obv` stand in the DPU's namespace, `obb`,
 * `obx` and `obp` in a router's; each name is unique within the DPU, so that keys of devices, and of what goes with
 * them, need no namespace.
 */
export type LinuxSpec =
  | NamespaceSpec
  | GuardSpec
  | BridgeSpec
  | TunnelSpec
  | VethSpec
  | PortSpec
  | AddressSpec
  | BridgeEntrySpec
  | TunnelEntrySpec
  | NeighbourSpec
  | SenderSpec
  | RouteSpec
  | GateSpec
  | RepresentorSpec;

/** A router's network namespace. Key: `namespace/<name>`. */
export interface NamespaceSpec {
  readonly kind: 'namespace';
  readonly name: string;
  /** Key of the Router, which the namespace bears as its mark whoever wants it. */
  readonly router: string;
  /** What a router's kernel settings are, all of them as wanted: forwarding, and how. */
  readonly settings: boolean;
}

/**
 * An nftables table of fixed rules. That of the ports checks what they send: without entries everything from a port is
 * dropped. `guard/<namespace>/<table>`.
 */
export interface GuardSpec {
  readonly kind: 'guard';
  readonly namespace: string;
  readonly table: FixedTableName;
  readonly revision: number;
  /** How many it has in all its chains. */
  readonly rules: number;
}

/** A bridge domain. `link/<name>`. */
export interface BridgeSpec {
  readonly kind: 'bridge';
  readonly namespace: string;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** A VXLAN device: a port of the bridge, while its encapsulating socket stays in the DPU's namespace. `link/<name>`. */
export interface TunnelSpec {
  readonly kind: 'tunnel';
  readonly namespace: string;
  readonly name: string;
  readonly bridge: string;
  readonly vni: number;
  readonly local: string;
  readonly destinationPort: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly learning: boolean;
  /** Unicast to unknown addresses. */
  readonly flood: boolean;
  readonly neighbourSuppression: boolean;
}

/** A port's veth: this end in the DPU's namespace, born with its peer in the router's. `link/<name>`. */
export interface VethSpec {
  readonly kind: 'veth';
  readonly name: string;
  readonly namespace: string;
  readonly peer: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** The peer, as a port of the bridge. `link/<name>`. */
export interface PortSpec {
  readonly kind: 'port';
  readonly namespace: string;
  readonly name: string;
  readonly bridge: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly learning: boolean;
  readonly flood: boolean;
}

/** An address of the namespace's own: of a gateway. `address/<device>/<address>/<prefix length>`. */
export interface AddressSpec {
  readonly kind: 'address';
  readonly namespace: string;
  readonly device: string;
  /** Canonical, with the prefix length (`10.0.1.1/24`). */
  readonly address: string;
}

/** A static entry of a bridge's forwarding database. `bridgeentry/<bridge>/<mac>`. */
export interface BridgeEntrySpec {
  readonly kind: 'bridgeentry';
  readonly namespace: string;
  readonly bridge: string;
  readonly mac: string;
  /** The bridge's port, a device. */
  readonly port: string;
}

/**
 * A remote address of a VXLAN device. With the null address, of which a device has many: a member of the list to
 * which it sends broadcast and multicast. `tunnelentry/<tunnel>/<mac>`, or `tunnelentry/<tunnel>/flood/<destination>`.
 */
export interface TunnelEntrySpec {
  readonly kind: 'tunnelentry';
  readonly namespace: string;
  readonly tunnel: string;
  readonly mac: string;
  readonly destination: string;
}

/** A permanent neighbour on a bridge, from which ARP and ND are answered on behalf of others. `neighbour/<bridge>/<address>`. */
export interface NeighbourSpec {
  readonly kind: 'neighbour';
  readonly namespace: string;
  readonly bridge: string;
  readonly address: string;
  readonly mac: string;
}

/**
 * What a port may send as: a MAC address alone, or with an address or a prefix.
 * It outlives the port. `sender/<namespace>/<port>/<mac>[/<source>]`.
 */
export interface SenderSpec {
  readonly kind: 'sender';
  readonly namespace: string;
  readonly port: string;
  readonly mac: string;
  /** An address, or a prefix that holds more than one. */
  readonly source?: string;
}

/** `route/<namespace>/<destination>`. */
export interface RouteSpec {
  readonly kind: 'route';
  readonly namespace: string;
  /** Canonical prefix. */
  readonly destination: string;
  /** Ordered by gateway and device; none: unreachable. */
  readonly nextHops: readonly RouteNextHop[];
}

export interface RouteNextHop {
  readonly gateway: string;
  /** Reached on this link, whatever addresses it has. */
  readonly device?: string;
  readonly weight: number;
}

/** Everything that comes in by a device goes out by the other. `gate/<device>`. */
export interface GateSpec {
  readonly kind: 'gate';
  readonly device: string;
  readonly target: string;
}

/** A borrowed device. `link/<name>`. */
export interface RepresentorSpec {
  readonly kind: 'representor';
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

/**
 * In which order they are made; reversed, taken away. The representor comes last: until then nothing of the function
 * is heard, and it goes down first.
 */
export const LINUX_ORDER = [
  'namespace',
  'guard',
  'bridge',
  'tunnel',
  'veth',
  'port',
  'address',
  'bridgeentry',
  'tunnelentry',
  'neighbour',
  'sender',
  'route',
  'gate',
  'representor',
] as const satisfies readonly LinuxSpec['kind'][];

/** Removing these blocks the kernel for 16-20 ms and more. */
export const LINUX_SLOW_TO_REMOVE: ReadonlySet<LinuxSpec['kind']> = new Set([
  'namespace',
  'guard',
  'bridge',
  'tunnel',
  'veth',
  'port',
]);

export const NULL_MAC = '00:00:00:00:00:00';

/** The IANA port of VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;

export const linkKey = (name: string): string => `link/${name}`;
export const namespaceKey = (name: string): string => `namespace/${name}`;
export const guardKey = (namespace: string, table: FixedTableName): string => `guard/${namespace}/${table}`;
export const addressKey = (device: string, address: string): string => `address/${device}/${address}`;
export const bridgeEntryKey = (bridge: string, mac: string): string => `bridgeentry/${bridge}/${mac}`;
export const tunnelEntryKey = (tunnel: string, mac: string, destination: string): string =>
  mac === NULL_MAC ? `tunnelentry/${tunnel}/flood/${destination}` : `tunnelentry/${tunnel}/${mac}`;
export const neighbourKey = (bridge: string, address: string): string => `neighbour/${bridge}/${address}`;
export const senderKey = (
  namespace: string,
  port: string,
  mac: string,
  source: string | undefined,
): string =>
  source === undefined
    ? `sender/${namespace}/${port}/${mac}`
    : `sender/${namespace}/${port}/${mac}/${source}`;
export const routeKey = (namespace: string, destination: string): string =>
  `route/${namespace}/${destination}`;
export const gateKey = (device: string): string => `gate/${device}`;
