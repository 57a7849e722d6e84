import type {
  IpPrefix,
  LabelSelector,
  Name,
  NamedPort,
  PortAddressStatus,
  TenantName,
} from '@outboard/model';
import type { DpuEntry, PortEntry } from '../entries.js';
import type { SharedObject } from '../objects.js';
import type { AddressSetRecord, SecurityPolicyRecord } from '../records.js';

/** A policy, the ports that it applies to, and where these are. */
export interface PolicyEntry {
  record: SecurityPolicyRecord;
  /** Whom it selects, and who names it; connected or not. */
  readonly ports: Set<PortEntry>;
  readonly namedBy: Set<PortEntry>;
  groups: readonly GroupEntry[];
  /** By `placeKey`. */
  readonly places: Map<string, PolicyPlace>;
}

/** A router on a DPU in which there are ports that the policy applies to. */
export interface PolicyPlace {
  readonly dpu: DpuEntry;
  readonly router: Name;
  ruleSet: SharedObject;
  ports: number;
}

export interface AddressSetEntry {
  record: AddressSetRecord;
  readonly policies: Set<PolicyEntry>;
}

/** Addresses that rules mean: of the ports that a selector selects, or of an address set. */
export interface GroupEntry {
  /** Unique in the tenant. */
  readonly id: string;
  readonly tenant: TenantName;
  readonly selector: LabelSelector | undefined;
  readonly addressSet: AddressSetEntry | undefined;
  readonly policies: Set<PolicyEntry>;
  /** By router, as addresses mean something only in one; of a connected port or a prefix. */
  readonly members: Map<Name, Map<PortEntry | IpPrefix, readonly SharedObject[]>>;
  /** By `placeKey`. */
  readonly places: Map<string, GroupPlace>;
}

/** A router on a DPU in which rules mean the group. */
export interface GroupPlace {
  readonly dpu: DpuEntry;
  readonly router: Name;
  readonly object: SharedObject;
  /** Policies there. */
  users: number;
}

/** What a port means to policies. */
export interface PortPolicies {
  /** In the order in which they are evaluated. */
  readonly policies: readonly PolicyEntry[];
  readonly groups: readonly GroupEntry[];
}

/** As what a port is known on DPUs. */
export interface PolicyPresence {
  readonly dpu: DpuEntry;
  readonly policies: readonly PolicyEntry[];
  readonly groups: readonly GroupEntry[];
  /** What its objects in groups are made of. */
  readonly addresses: readonly PortAddressStatus[];
  readonly namedPorts: readonly NamedPort[];
  readonly members: ReadonlyMap<GroupEntry, readonly SharedObject[]>;
}

export const placeKey = (dpu: DpuEntry, router: Name): string => `${dpu.record.name} ${router}`;
