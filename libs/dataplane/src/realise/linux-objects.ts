import type { ResponderSpec } from '../host-configuration/responder-spec.js';
import type { FixedTableName } from './fixed-tables.js';
import type { Offload } from './offload.js';

/**
 * What neutral objects become on Linux. Devices whose name starts with `obv` or `obu` stand in the DPU's namespace, `obb`,
 * `obx`, `obg`, `obl`, `obp` and `obf` in a router's; each name is unique within the DPU, so that keys of devices, and of what goes with
 * them, need no namespace.
 */
export type LinuxSpec =
  | NamespaceSpec
  | GuardSpec
  | BridgeSpec
  | TunnelSpec
  | GeneveSpec
  | VlanSpec
  | VethSpec
  | PortSpec
  | ExitSpec
  | DoorSpec
  | AddressSpec
  | BridgeEntrySpec
  | TunnelEntrySpec
  | NeighbourSpec
  | SenderSpec
  | PolicySetSpec
  | PolicyElementSpec
  | PolicyCounterSpec
  | PolicyChainSpec
  | RouteSpec
  | RateSpec
  | GateSpec
  | SteeringSpec
  | RepresentorSpec
  | ResponderSpec;

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
  /** Empty: the DPU's own. */
  readonly namespace: string;
  readonly table: FixedTableName;
  /** Where the table names them: the uplink and its address, `p0 192.0.2.7`. The uplink forwards while the table is there. */
  readonly way?: string;
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

/**
 * A GENEVE device to one peer: a port of the bridge, while its encapsulating socket stays in the DPU's namespace. Isolated,
 * so that what comes from one peer is not sent on to another. `link/<name>`.
 */
export interface GeneveSpec {
  readonly kind: 'geneve';
  readonly namespace: string;
  readonly name: string;
  readonly bridge: string;
  readonly vni: number;
  readonly remote: string;
  readonly destinationPort: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly learning: boolean;
  readonly flood: boolean;
  readonly neighbourSuppression: boolean;
  readonly isolated: boolean;
}

/** A VLAN of an uplink of the DPU, as a port of the bridge. `link/<name>`. */
export interface VlanSpec {
  readonly kind: 'vlan';
  readonly namespace: string;
  readonly name: string;
  readonly bridge: string;
  readonly uplink: string;
  readonly vlanId: number;
  readonly mtu: number;
  readonly up: boolean;
  readonly learning: boolean;
  readonly flood: boolean;
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

/** The end of a router's way out in the DPU's namespace, born with its peer in the router's. `link/<name>`. */
export interface ExitSpec {
  readonly kind: 'exit';
  readonly name: string;
  readonly namespace: string;
  readonly peer: string;
  readonly mtu: number;
  readonly up: boolean;
  /** IPv4 that comes in by it is forwarded, whatever the DPU does otherwise. */
  readonly forwarding: boolean;
}

/** The peer. `link/<name>`. */
export interface DoorSpec {
  readonly kind: 'door';
  readonly namespace: string;
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** An address of the namespace's own: of a gateway, or of a way out. `address/<device>/<address>/<prefix length>`. */
export interface AddressSpec {
  readonly kind: 'address';
  readonly namespace: string;
  readonly device: string;
  /** Canonical, with the prefix length (`10.0.1.1/24`). */
  readonly address: string;
  /** The only other address on the link. */
  readonly peer?: string;
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

/** The addresses of a group, of one family. What it may hold is part of its name. `policyset/<namespace>/<name>`. */
export interface PolicySetSpec {
  readonly kind: 'policyset';
  readonly namespace: string;
  readonly name: string;
  readonly keyLength: 4 | 16 | 8 | 20;
  /** Whether elements are prefixes; otherwise they are addresses. */
  readonly prefixes: boolean;
}

/**
 * An element of the policies' sets and maps, bytes in hexadecimal. `policymember`: of a group or a named port; comes
 * before rules that mean it. `policyport`: who a port is and where its policies are; comes behind these.
 * `policyelement/<namespace>/<set>/<key>[-<end>]`.
 */
export interface PolicyElementSpec {
  readonly kind: 'policymember' | 'policyport';
  readonly namespace: string;
  readonly set: string;
  readonly key: string;
  /** Last of a range. */
  readonly end?: string;
  /** Of maps: a value, `accept`, or `goto <chain>`. */
  readonly data?: string;
}

/** Counts packets and bytes that a rule decided on. It outlives changes of the rule. `policycounter/<namespace>/<name>`. */
export interface PolicyCounterSpec {
  readonly kind: 'policycounter';
  readonly namespace: string;
  readonly name: string;
}

/** Rules of a policy in one direction, or (`portchain`) which policies a port has. Changed as a whole. `policychain/<namespace>/<name>`. */
export interface PolicyChainSpec {
  readonly kind: 'rulechain' | 'portchain';
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly (readonly RuleExpression[])[];
}

/** What the kernel's virtual machine does, in its words (linux/netfilter/nf_tables.h); bytes in hexadecimal. */
export type RuleExpression =
  | { readonly name: 'ct'; readonly key: number; readonly dreg: number; readonly direction?: number }
  | { readonly name: 'meta'; readonly key: number; readonly dreg?: number; readonly sreg?: number }
  | {
      readonly name: 'bitwise';
      readonly sreg: number;
      readonly dreg: number;
      readonly len: number;
      readonly mask: string;
      readonly xor: string;
    }
  | { readonly name: 'cmp'; readonly sreg: number; readonly op: number; readonly data: string }
  | { readonly name: 'lookup'; readonly set: string; readonly sreg: number }
  | { readonly name: 'load'; readonly dreg: number; readonly data: string }
  | { readonly name: 'count'; readonly counter: string }
  | { readonly name: 'verdict'; readonly code: RuleVerdict; readonly chain?: string };

export type RuleVerdict = 'accept' | 'drop' | 'return' | 'jump' | 'goto';

/** `route/<namespace>/<destination>`. */
export interface RouteSpec {
  readonly kind: 'route';
  readonly namespace: string;
  /** Canonical prefix. */
  readonly destination: string;
  /** Ordered by gateway and device. */
  readonly nextHops: readonly RouteNextHop[];
  /** Without next hops, what becomes of packets. */
  readonly type?: RouteType;
  /** Bytes of a packet that get through there; 0: what the link carries. */
  readonly mtu: number;
}

export type RouteType = 'unreachable' | 'blackhole' | 'prohibit';

export interface RouteNextHop {
  readonly gateway: string;
  /** Reached on this link, whatever addresses it has. */
  readonly device?: string;
  readonly weight: number;
}

/** How fast a device sends, by a token bucket: bytes a second, and bytes that wait at most. `rate/<device>`. */
export interface RateSpec {
  readonly kind: 'rate';
  readonly device: string;
  readonly bytesPerSecond: number;
  readonly limit: number;
}

/** Everything that comes in by a device goes out by the other. `gate/<device>`. */
export interface GateSpec {
  readonly kind: 'gate';
  readonly device: string;
  readonly target: string;
  /** What bears a VLAN tag stays: VLAN devices upon the device get it. */
  readonly passTagged?: boolean;
  /** Of a port's: where the kernel may put it. */
  readonly offload?: Offload;
  /** The device takes in what is for any MAC address, as it is for those behind it. */
  readonly promiscuous?: boolean;
}

/**
 * Frames that come in by a device and match go elsewhere than by its gate. `hopexit`: from a hop of a service chain on;
 * `steering`: from or for a port into its chain; `closure`: they are for a chain and did not go into it.
 * `steering/<device>/<priority>/<handle>`.
 */
export interface SteeringSpec {
  readonly kind: 'hopexit' | 'steering' | 'closure';
  readonly device: string;
  /** What matches, classic BPF in hexadecimal. */
  readonly program: string;
  /** The device that they go out of; empty: they are dropped. */
  readonly target: string;
  /** Under which they count, 16 hexadecimal digits; empty: they do not. */
  readonly cookie: string;
}

/** A borrowed device. `link/<name>`. */
export interface RepresentorSpec {
  readonly kind: 'representor';
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
}

/** The IANA port of VXLAN (RFC 7348). */
export const VXLAN_PORT = 4789;
/** The IANA port of GENEVE (RFC 8926). */
export const GENEVE_PORT = 6081;
