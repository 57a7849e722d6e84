import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';

/** Inclusive. */
export interface AllocationRange {
  readonly start: IpAddress;
  readonly end: IpAddress;
}

export interface SubnetSpec {
  readonly network: Name;
  readonly cidr: IpPrefix;
  /** Undefined: the first host address. */
  readonly gateway: IpAddress | undefined;
  /** Empty: all host addresses. The gateway is never allocated. */
  readonly allocationRanges: readonly AllocationRange[];
}

export interface SubnetStatus extends Status {
  readonly gateway: IpAddress | undefined;
  readonly allocated: number;
}

/** A prefix of a network from which addresses are allocated to ports. */
export type Subnet = Resource<'Subnet', SubnetSpec, SubnetStatus>;
