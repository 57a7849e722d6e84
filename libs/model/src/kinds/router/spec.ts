import type { IpAddress, IpPrefix } from '../../ip.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';

/** What an external gateway does to the source of packets that leave. */
export const SOURCE_NATS = ['DPU_ADDRESS'] as const;
export type SourceNat = (typeof SOURCE_NATS)[number];

export const IP_FAMILIES = ['IPV4', 'IPV6'] as const;
export type IpFamilyName = (typeof IP_FAMILIES)[number];

/** The way out of a router's networks. */
export interface ExternalGateway {
  readonly sourceNat: SourceNat;
  /** What leaves: at least one. */
  readonly ipFamilies: readonly IpFamilyName[];
}

/** What a worker says of an object that is not applied and read back. */
export const PROBLEM_STATES = ['PENDING', 'FAILED', 'FOREIGN', 'UNSUPPORTED'] as const;
export type ProblemState = (typeof PROBLEM_STATES)[number];

export interface RouteNextHop {
  readonly address: IpAddress;
  /** 1 to 256. */
  readonly weight: number;
}

export interface StaticRoute {
  readonly destination: IpPrefix;
  /** At least one, of the family of the destination. */
  readonly nextHops: readonly RouteNextHop[];
}

export interface RouterSpec {
  readonly routes: readonly StaticRoute[];
  /** Undefined: no way out of the router's networks. */
  readonly externalGateway: ExternalGateway | undefined;
}

/** Something of a resource that a DPU has not applied. */
export interface DpuProblem {
  readonly dpu: Name;
  /** Key of the neutral object. */
  readonly object: string;
  readonly state: ProblemState;
  readonly message: string;
}

export interface RouterStatus extends Status {
  /** That name it. */
  readonly networks: number;
  /** That route for it. */
  readonly dpus: number;
  /** At most 10. */
  readonly problems: readonly DpuProblem[];
}

/** Joins the networks of a tenant that name it. */
export type Router = Resource<'Router', RouterSpec, RouterStatus>;
