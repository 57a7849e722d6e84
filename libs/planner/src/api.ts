import type {
  AddressSet,
  AddressSetSpec,
  EncapsulationPolicy,
  EncapsulationPolicySpec,
  Intent,
  Name,
  NetlinkObject,
  NetlinkObjectSpec,
  Network,
  NetworkSpec,
  PhysicalNetwork,
  PhysicalNetworkSpec,
  Port,
  PortSpec,
  ProblemState,
  Router,
  RouterSpec,
  SecurityPolicy,
  SecurityPolicySpec,
  ServiceChain,
  ServiceChainSpec,
  Subnet,
  SubnetSpec,
  Uid,
} from '@outboard/model';
import type { DpuRecord, FunctionRecord, StoredRecord } from './records.js';

export type { ProblemState };

/** The kinds that the planner decides on. */
export type PlannedResource =
  | PhysicalNetwork
  | EncapsulationPolicy
  | Router
  | Network
  | Subnet
  | AddressSet
  | SecurityPolicy
  | ServiceChain
  | Port
  | NetlinkObject;
export type PlannedKind = PlannedResource['kind'];
export type PlannedIntent =
  | Intent<'PhysicalNetwork', PhysicalNetworkSpec>
  | Intent<'EncapsulationPolicy', EncapsulationPolicySpec>
  | Intent<'Router', RouterSpec>
  | Intent<'Network', NetworkSpec>
  | Intent<'Subnet', SubnetSpec>
  | Intent<'AddressSet', AddressSetSpec>
  | Intent<'SecurityPolicy', SecurityPolicySpec>
  | Intent<'ServiceChain', ServiceChainSpec>
  | Intent<'Port', PortSpec>
  | Intent<'NetlinkObject', NetlinkObjectSpec>;

/** What a caller asks for. */
export type Command =
  | {
      readonly operation: 'apply';
      readonly intent: PlannedIntent;
      /** `create`: must not exist yet; `update`: must exist; undefined: either. */
      readonly existence?: 'create' | 'update';
    }
  | {
      readonly operation: 'delete';
      readonly kind: PlannedKind;
      readonly tenant: string;
      readonly name: string;
      /** Precondition: the revision that the caller has seen. */
      readonly resourceVersion?: string;
    };

/** What admin tells, for the projections. A retired DPU has no worker any more and holds nothing. */
export type InventoryChange =
  | { readonly operation: 'put'; readonly record: DpuRecord | FunctionRecord }
  | { readonly operation: 'remove'; readonly kind: 'Dpu' | 'Function'; readonly name: Name };

/** What the planner may not find out by itself. */
export interface Context {
  /** The revision that the store will give to the commit. Greater than any before, the same within one group. */
  readonly revision: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** A new uid for each resource that is created. */
  newUid(): Uid;
}

/** One row to write. `before` undefined: created; `after` undefined: deleted. */
export interface RecordChange {
  readonly before: StoredRecord | undefined;
  readonly after: StoredRecord | undefined;
}

/** What one command, inventory change or report means: the world has it already, the store must write it. */
export interface Decision {
  readonly revision: number;
  /** At most one per row; none that changes nothing. */
  readonly changes: readonly RecordChange[];
}

/** A decision on a command, with the resource as callers see it: after the change, or as it was when deleted. */
export interface CommandDecision extends Decision {
  readonly resource: PlannedResource;
}
