import type { IpPrefix } from '../../ip.js';
import type { Propagation } from '../../propagation.js';
import type { Resource, Status } from '../../resource.js';

export interface AddressSetSpec {
  /** A single address is a prefix of full length. No two overlap. */
  readonly addresses: readonly IpPrefix[];
}

export interface AddressSetStatus extends Status {
  readonly policies: number;
  /** Undefined: it concerns no DPU. */
  readonly propagated: Propagation | undefined;
}

/** Addresses under a name, for security policies. */
export type AddressSet = Resource<'AddressSet', AddressSetSpec, AddressSetStatus>;
