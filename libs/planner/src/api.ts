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

/** Where a document is: see DocumentVersion of the worker protocol. */
export interface DocumentHead {
  readonly sequence: number;
  /** 16 bytes. */
  readonly digest: Uint8Array;
}

/** What changes in one DPU's document, from the sequence `base` to `head`. */
export interface DocumentChange extends DocumentHead {
  readonly dpu: Name;
  readonly base: number;
  readonly upserts: readonly DocumentObject[];
  readonly deletes: readonly string[];
}

/** What changes in one DPU's document, object by object. */
export interface DocumentDifference {
  readonly dpu: Name;
  /** Serialised DataplaneObjects; `before` undefined: it is new; `after` undefined: it goes. */
  readonly objects: readonly {
    readonly key: string;
    readonly before: Uint8Array | undefined;
    readonly after: Uint8Array | undefined;
  }[];
}

/** One entry of a document: a serialised DataplaneObject. The bytes are shared and must not be written to. */
export interface DocumentObject {
  readonly key: string;
  readonly object: Uint8Array;
}

/** A whole document, objects in the order of their keys. */
export interface CompiledDocument extends DocumentHead {
  readonly objects: readonly DocumentObject[];
}

export interface ReportedProblem {
  readonly key: string;
  readonly state: ProblemState;
  readonly message: string;
  /** No problem: the worker has not come to it yet, nor to other objects of its source. */
  readonly isUnderWay?: true;
}

/** What a worker has applied and read back, already checked to be of this store's epoch. */
export interface Report {
  readonly dpu: Name;
  readonly sequence: number;
  readonly problems: readonly ReportedProblem[];
  /** Greater than `problems.length` when the list was cut. */
  readonly problemTotal: number;
  /** Undefined: the DPU has no hardware, or its worker tells nothing of it. */
  readonly offload?: ReportedOffload | undefined;
}

/** Hardware has all that the ports of the DPU forward, except for these. */
export interface ReportedOffload {
  /** Reasons by the object's key. */
  readonly inSoftware: ReadonlyMap<string, string>;
  /** Greater than the size of `inSoftware` when the list was cut. */
  readonly inSoftwareTotal: number;
}
