import type { IpPrefix } from '../../ip.js';
import type { LabelSelector } from '../../label-selector.js';
import type { Propagation } from '../../propagation.js';
import type { Resource, Status } from '../../resource.js';
import type { Name, PortName } from '../../values.js';

/** In the order in which they are evaluated. */
export const TIERS = ['ADMIN', 'DEFAULT', 'BASELINE'] as const;
export type Tier = (typeof TIERS)[number];

export const DIRECTIONS = ['INGRESS', 'EGRESS'] as const;
export type Direction = (typeof DIRECTIONS)[number];

export const RULE_ACTIONS = ['ALLOW', 'DENY', 'PASS'] as const;
export type RuleAction = (typeof RULE_ACTIONS)[number];

export const PROTOCOLS = ['TCP', 'UDP', 'ICMP', 'ICMPv6'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export type SecurityPeer =
  | { readonly kind: 'ports'; readonly selector: LabelSelector }
  | { readonly kind: 'addressSet'; readonly name: Name }
  /** The exceptions are in the prefix. */
  | { readonly kind: 'cidr'; readonly cidr: IpPrefix; readonly except: readonly IpPrefix[] };

export type SecurityService =
  | { readonly protocol: 'any' }
  | {
      readonly protocol: 'TCP' | 'UDP';
      /** Inclusive, by number, or by name; undefined: all. */
      readonly ports:
        | { readonly first: number; readonly last: number }
        | { readonly name: PortName }
        | undefined;
    }
  | {
      readonly protocol: 'ICMP' | 'ICMPv6';
      /** Undefined: all. */
      readonly type: number | undefined;
      /** With a type only; undefined: all. */
      readonly code: number | undefined;
    };

export interface SecurityRule {
  /** Unique in its direction. */
  readonly name: Name;
  readonly action: RuleAction;
  /** Empty: anybody. */
  readonly peers: readonly SecurityPeer[];
  /** Empty: everything. */
  readonly services: readonly SecurityService[];
}

export interface SecurityPolicySpec {
  readonly tier: Tier;
  /** Of ADMIN and BASELINE: the lowest is evaluated first. */
  readonly priority: number | undefined;
  /** Undefined: only ports that name the policy. */
  readonly portSelector: LabelSelector | undefined;
  /** Of DEFAULT. */
  readonly isolates: readonly Direction[];
  readonly ingress: readonly SecurityRule[];
  readonly egress: readonly SecurityRule[];
}

export interface SecurityPolicyStatus extends Status {
  readonly ports: number;
  readonly dpus: number;
  /** Undefined: it concerns no DPU. */
  readonly propagated: Propagation | undefined;
}

/** Which connections ports may open and accept. */
export type SecurityPolicy = Resource<'SecurityPolicy', SecurityPolicySpec, SecurityPolicyStatus>;
