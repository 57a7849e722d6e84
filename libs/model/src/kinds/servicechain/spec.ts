import type { IpPrefix } from '../../ip.js';
import type { LabelSelector } from '../../label-selector.js';
import type { Propagation } from '../../propagation.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';

export const FAILURE_MODES = ['FAIL_CLOSED', 'FAIL_OPEN'] as const;
/** What becomes of traffic while a hop is down: nothing passes, or the hop is left out. */
export type FailureMode = (typeof FAILURE_MODES)[number];

export type ServiceChainDestination =
  | { readonly kind: 'network'; readonly network: Name }
  | { readonly kind: 'cidrs'; readonly cidrs: readonly IpPrefix[] }
  | { readonly kind: 'external' };

export interface ServiceChainHop {
  readonly name: Name;
  readonly ingressPort: Name;
  /** The same as `ingressPort`: one port both ways. */
  readonly egressPort: Name;
}

export interface ServiceChainSpec {
  readonly ports: readonly Name[];
  /** Undefined: only the ports that are named. */
  readonly portSelector: LabelSelector | undefined;
  readonly destination: ServiceChainDestination;
  readonly hops: readonly ServiceChainHop[];
  readonly failureMode: FailureMode;
}

export interface ServiceChainStatus extends Status {
  readonly ports: number;
  readonly dpus: number;
  /** Undefined: it concerns no DPU. */
  readonly propagated: Propagation | undefined;
}

/** Network functions that lie between ports and their network. */
export type ServiceChain = Resource<'ServiceChain', ServiceChainSpec, ServiceChainStatus>;
