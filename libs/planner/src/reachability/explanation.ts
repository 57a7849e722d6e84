import type { Direction, IpAddress, Name, Protocol, TenantName, Tier } from '@outboard/model';

/** A connection, or a datagram, that a port might begin. */
export interface Flow {
  readonly tenant: TenantName;
  readonly from: Name;
  /** What it claims to come from; undefined: an address of its own. */
  readonly source: IpAddress | undefined;
  readonly to:
    | { readonly kind: 'port'; readonly name: Name }
    | { readonly kind: 'address'; readonly address: IpAddress };
  readonly protocol: Protocol;
  /** Destination port; of ICMP, type * 256 + code. */
  readonly service: number;
}

/** UNREACHABLE: nothing decides against it, but there is no way. */
export type Verdict = 'ALLOWED' | 'DENIED' | 'UNREACHABLE';

/** Why; a closed set. */
export type VerdictReason =
  | 'RuleAllows'
  | 'NoPolicyApplies'
  | 'RuleDenies'
  | 'Isolated'
  | 'SourceNotAllowed'
  | 'NotConnected'
  | 'AdminDown'
  | 'NoAddress'
  | 'UnknownAddress'
  | 'NotInNetwork'
  | 'NotRouted'
  | 'NoRoute'
  | 'HopUnavailable'
  | 'LeavesRouter'
  | 'GatewayAnswersPingsOnly';

/** A rule, or for want of one the policy, that has decided in one direction. */
export interface DecidedBy {
  readonly direction: Direction;
  readonly policy: Name;
  readonly tier: Tier;
  /** Undefined: the policy isolates, and no rule allows. */
  readonly rule: Name | undefined;
}

/** A station of a packet, in the order in which it passes them. */
export interface Hop {
  readonly kind: 'port' | 'representor' | 'serviceChain' | 'bridgeDomain' | 'router' | 'tunnel' | 'uplink';
  readonly name: string;
  readonly dpu: Name | undefined;
  /** What happens there, for people. */
  readonly detail: string;
}

/** What becomes of a flow that goes by this next hop. */
export interface NextHopVerdict {
  readonly address: IpAddress;
  readonly verdict: Verdict;
  readonly reason: VerdictReason;
}

/** What becomes of a flow once every DPU has what is planned, and why. */
export interface Explanation {
  readonly verdict: Verdict;
  readonly reason: VerdictReason;
  readonly message: string;
  readonly source: IpAddress | undefined;
  readonly destination: IpAddress | undefined;
  /** What has decided: on what the sender opens, then on what the receiver accepts. */
  readonly decidedBy: readonly DecidedBy[];
  /** As far as a packet comes; with several next hops by the first that it does not pass, or the first. */
  readonly path: readonly Hop[];
  /** Where there are several, what becomes of it by each. */
  readonly nextHops: readonly NextHopVerdict[];
  /** Ports on the way that are not Ready: what is said here comes true when they are. */
  readonly notReady: readonly Name[];
}
