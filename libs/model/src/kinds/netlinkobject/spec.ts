import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { MacAddress, Name } from '../../values.js';
import type { DpuProblem, RouteNextHop } from '../router/spec.js';

/** What becomes of packets for a destination that has no next hops. */
export const ROUTE_TYPES = ['unreachable', 'blackhole', 'prohibit'] as const;
export type RouteType = (typeof ROUTE_TYPES)[number];

/** In a router. */
export interface NetlinkRoute {
  readonly kind: 'route';
  readonly router: Name;
  readonly dst: IpPrefix;
  readonly nextHops: readonly RouteNextHop[];
  /** Undefined if there are next hops. */
  readonly rtmType: RouteType | undefined;
  /** Bytes of a packet that get through there; undefined: what the link carries. */
  readonly mtu: number | undefined;
}

/** On the device of a network: who has an address. */
export interface NetlinkNeighbour {
  readonly kind: 'neigh';
  readonly network: Name;
  readonly dst: IpAddress;
  readonly lladdr: MacAddress;
}

/** On the bridge of a network: a MAC address that is behind a port, wherever that is. */
export interface NetlinkFdbEntry {
  readonly kind: 'fdb';
  readonly network: Name;
  readonly port: Name;
  readonly lladdr: MacAddress;
}

/** On the device of a network, beside the gateways of its subnets. */
export interface NetlinkAddress {
  readonly kind: 'addr';
  readonly network: Name;
  readonly address: IpAddress;
  /** Of the prefix that is on the link by it. */
  readonly prefixLength: number;
}

export interface NetlinkObjectSpec {
  readonly object: NetlinkRoute | NetlinkNeighbour | NetlinkFdbEntry | NetlinkAddress;
  /** Empty: every DPU that has the network, or routes for the router. */
  readonly dpus: readonly Name[];
}

export interface NetlinkObjectStatus extends Status {
  /** Whose documents have it. */
  readonly dpus: number;
  /** At most 10. */
  readonly problems: readonly DpuProblem[];
}

/** An object of layer 1, placed directly by a caller. */
export type NetlinkObject = Resource<'NetlinkObject', NetlinkObjectSpec, NetlinkObjectStatus>;
