import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { HostName, Name } from '../../values.js';

/** Inclusive. */
export interface AllocationRange {
  readonly start: IpAddress;
  readonly end: IpAddress;
}

export const ALLOCATION_MODES = ['LOWEST', 'EUI64'] as const;
export type AllocationMode = (typeof ALLOCATION_MODES)[number];

/** An address that is set aside. */
export interface AddressReservation {
  readonly name: Name;
  readonly ip: IpAddress;
  /** Who gets it; undefined: no port. */
  readonly port: Name | undefined;
}

export interface SubnetSpec {
  readonly network: Name;
  readonly cidr: IpPrefix;
  /** Undefined: the first host address. */
  readonly gateway: IpAddress | undefined;
  /** Empty: all host addresses. The gateway is never allocated. */
  readonly allocationRanges: readonly AllocationRange[];
  /** Of which no port gets an address. */
  readonly excludedRanges: readonly AllocationRange[];
  readonly reservations: readonly AddressReservation[];
  /** For how long an allocated address is kept for a port of the same name; 0: not at all. */
  readonly retentionSeconds: number;
  readonly allocationMode: AllocationMode;
  /** Undefined: DHCP is not answered. */
  readonly dhcp: Dhcp | undefined;
  /** Undefined: ports are told of no router. IPv6 only. */
  readonly routerAdvertisement: RouterAdvertisement | undefined;
  readonly dnsServers: readonly IpAddress[];
  readonly domainName: HostName | undefined;
}

/** What ports are told by DHCP besides their addresses. */
export interface Dhcp {
  readonly leaseSeconds: number;
  readonly ntpServers: readonly IpAddress[];
  /** IPv4 only. */
  readonly routes: readonly HostRoute[];
}

export interface HostRoute {
  readonly destination: IpPrefix;
  readonly nextHop: IpAddress;
}

export interface RouterAdvertisement {
  /** For how long the gateway is the default router without being heard again. */
  readonly lifetimeSeconds: number;
}

/** Addresses of the allocation ranges that can be had by ports: `total` is the sum of the others. */
export interface AddressCapacity {
  readonly total: number;
  readonly used: number;
  readonly reserved: number;
  readonly quarantined: number;
  readonly free: number;
}

export interface SubnetStatus extends Status {
  readonly gateway: IpAddress | undefined;
  readonly allocated: number;
  /** Counted whenever somebody looks; undefined in what is stored. */
  readonly capacity: AddressCapacity | undefined;
}

/** A prefix of a network from which addresses are allocated to ports. */
export type Subnet = Resource<'Subnet', SubnetSpec, SubnetStatus>;
