import type { ReportedOffload, ReportedProblem, SharedObject } from '@outboard/document-owner/documents';
import type {
  IpAddress,
  IpPrefix,
  IpRange,
  LabelSelector,
  MacAddress,
  Name,
  NamedPort,
  PortAddressStatus,
  TenantName,
} from '@outboard/model';
import type { AddressPool } from './allocate/address-pool.js';
import type { Reservations } from './allocate/reservations.js';
import type { Retentions } from './allocate/retentions.js';

import type { Quarantine, ReleaseEntry } from './quarantine.js';
import type {
  AddressSetRecord,
  DpuRecord,
  NetlinkObjectRecord,
  NetworkRecord,
  PhysicalNetworkRecord,
  PortRecord,
  RouterRecord,
  SecurityPolicyRecord,
  ServiceChainRecord,
  SubnetRecord,
} from './records.js';

/** A router: of a resource, or a tenant's default router that nobody has configured. */
export interface RouterEntry {
  /** Key of its object, which every DPU has where a network of it is. */
  readonly key: string;
  readonly tenant: string;
  readonly name: string;
  readonly object: SharedObject;
  /** Undefined: nobody has configured it. */
  record: RouterRecord | undefined;
  readonly networks: Set<NetworkEntry>;
  /** Of all its networks. */
  readonly subnets: Set<SubnetEntry>;
  /** DPUs that route for it, by name: those that have ports of networks with subnets. */
  readonly hosts: Map<Name, { readonly dpu: DpuEntry; ports: number }>;
  /** What `hosts` have of the resource: routes, the way out. */
  own: readonly SharedObject[];
  /** Next hops that are left out of `own`, as nobody can be there yet. */
  unknownNextHops: readonly string[];
  /** Hosts that have not confirmed the last change of `own`, and the sequence of that. */
  readonly unconfirmed: Map<Name, number>;
  /** What callers have placed in it and its networks themselves. */
  readonly netlinkObjects: Set<NetlinkObjectEntry>;
}

/** An object of layer 1 that a caller has placed. */
export interface NetlinkObjectEntry {
  record: NetlinkObjectRecord;
  readonly router: RouterEntry;
  /** Undefined: it is a route. */
  readonly network: NetworkEntry | undefined;
  place: NetlinkPlace;
  /** DPUs that have not confirmed what last changed of it there. */
  lagging: number;
}

/** Where an object stands, and why not where it was asked for. */
export interface NetlinkPlace {
  readonly reason:
    | 'Planned'
    | 'Conflict'
    | 'NextHopUnknown'
    | 'PortNotConnected'
    | 'NotRouted'
    | 'DpuNotConcerned';
  readonly message: string;
  /** One for each DPU, all of the same key. */
  readonly objects: ReadonlyMap<DpuEntry, SharedObject>;
}

/** A network with all that must be found from it. */
export interface NetworkEntry {
  record: NetworkRecord;
  /** What carries it without tunnels; undefined: it is in tunnels. */
  readonly physical: PhysicalNetworkEntry | undefined;
  /** By uplink; with tunnels there is one, the same bytes on every DPU that takes part. */
  readonly bridgeDomains: Map<string, SharedObject>;
  /** The gateway on every DPU that takes part; undefined: nothing is routed. */
  gateway: SharedObject | undefined;
  /** What ports are told, likewise; undefined: nothing. */
  hostConfiguration: SharedObject | undefined;
  readonly router: RouterEntry;
  readonly subnets: Map<Name, SubnetEntry>;
  readonly ports: Set<PortEntry>;
  /** How many of `ports` have a place. */
  placed: number;
  /** DPUs that have ports of the network, or route to it, by name. */
  readonly members: Map<Name, Member>;
  /** Those of `members`: gone through with every port. */
  readonly dpus: Set<DpuEntry>;
  /** Members that have not confirmed yet that they take part, and the sequence of that. */
  readonly joining: Map<Name, number>;
  /** Who has which address. */
  readonly addresses: Map<IpAddress, PortEntry>;
  readonly macAddresses: Map<MacAddress, PortEntry>;
  readonly quarantinedAddresses: Quarantine<IpAddress>;
  readonly quarantinedMacAddresses: Quarantine<MacAddress>;
  /** What was given up in the network and is not confirmed yet. */
  readonly releases: Set<ReleaseEntry>;
  /** DPUs that `releases` wait for, each with the number of these. */
  readonly stragglers: Map<string, number>;
}

export interface SubnetEntry {
  record: SubnetRecord;
  readonly network: NetworkEntry;
  /** All addresses of the prefix. */
  readonly range: IpRange;
  pool: AddressPool;
  /** What is set aside, by address, and by the port that it is for. */
  reservations: Reservations;
  /** What is kept for ports that are gone, by their names; the one that is kept longest first. */
  readonly retained: Retentions;
  /** How many addresses ports have. */
  allocated: number;
}

/** A port with its place, if it has one. */
export interface PortEntry {
  record: PortRecord;
  readonly network: NetworkEntry;
  placement: Placement | undefined;
  /** DPUs that have not confirmed what last changed of the port there. */
  lagging: number;
  /** The policies that apply to it, in the order in which they are evaluated. */
  policies: readonly PolicyEntry[];
  /** The groups that its labels put it in. */
  groups: readonly GroupEntry[];
  /** As what DPUs know it because of policies; undefined: as nothing. */
  presence: PolicyPresence | undefined;
  /** The chains that its traffic goes through, in the order of their names. */
  chains: readonly ChainEntry[];
  /** As what DPUs know of that; undefined: nothing. */
  chained: ChainedPort | undefined;
}

/** Where a planned port is, and its neutral objects there and elsewhere: nowhere else, where the fabric learns. */
export interface Placement {
  readonly dpu: DpuEntry;
  readonly endpoint: SharedObject;
  readonly remote: SharedObject | undefined;
}

/** Problems of a network on one DPU. */
export interface Trouble {
  /** The worst. */
  readonly any: ReportedProblem;
  /** The worst of what the network's ports stand on there: its bridge domain and its router. */
  readonly base: ReportedProblem | undefined;
}

/** A DPU's part in a network: it has planned ports of it, or routes between them and ports of other networks. */
export interface Member {
  readonly dpu: DpuEntry;
  readonly network: NetworkEntry;
  readonly ports: Set<PortEntry>;
  bridgeDomain: SharedObject;
  /**
   * The DPU as the other members' tunnel peer, which it is while it has ports: others need not hear broadcasts.
   * Undefined: the network has no tunnels.
   */
  peer: SharedObject | undefined;
  /** What the DPU has reported of the network; undefined: no problem. */
  trouble: Trouble | undefined;
}

/** What DPUs confirm by the sequences of their documents. */
export type AwaitedEntry = NetlinkObjectEntry | PolicyEntry | AddressSetEntry | ChainEntry;

/** A DPU of admin, what its document is made of, and what its worker has told. */
export interface DpuEntry {
  record: DpuRecord;
  /** By the network's uid. */
  readonly memberships: Map<string, Member>;
  /** The routers that the networks here live in, each with the number of these. */
  readonly routers: Map<RouterEntry, number>;
  /** By key: the policies that apply to ports here. */
  readonly ruleSets: Map<string, SharedObject>;
  /** By key: the chains that ports here go through. */
  readonly serviceChains: Map<string, SharedObject>;
  /** By key: the groups that these mean. */
  readonly groups: Map<string, { readonly group: GroupEntry; readonly place: GroupPlace }>;
  /** Sequence that the worker has applied and read back; undefined: it has not reported since the world was loaded. */
  applied: number | undefined;
  /** By the object's key: what the worker last reported as not applied. */
  problems: ReadonlyMap<string, ReportedProblem>;
  /** What the worker last reported of hardware. */
  offload: ReportedOffload | undefined;
  /** Ports that have changed in this document, and the sequence of that, until the worker confirms it. */
  readonly unconfirmed: Map<PortEntry, number>;
  /** What callers have placed on it, by the object's key. */
  readonly netlinkObjects: Map<string, NetlinkObjectEntry>;
  /** Of these, of policies and address sets, what it must confirm, and the sequence of that. */
  readonly awaited: Map<AwaitedEntry, number>;
  /** Releases that wait for this DPU, and the sequence that they wait for. */
  readonly waits: Map<ReleaseEntry, number>;
}

/** A physical network with the networks that it carries. */
export interface PhysicalNetworkEntry {
  record: PhysicalNetworkRecord;
  readonly networks: Set<NetworkEntry>;
}

/** A policy, the ports that it applies to, and where these are. */
export interface PolicyEntry {
  record: SecurityPolicyRecord;
  /** Whom it selects, and who names it; connected or not. */
  readonly ports: Set<PortEntry>;
  readonly namedBy: Set<PortEntry>;
  groups: readonly GroupEntry[];
  /** By `placeKey`. */
  readonly places: Map<string, PolicyPlace>;
  /** DPUs that have not confirmed what last changed of its rules there, or that they have them. */
  lagging: number;
}

/** A router on a DPU in which there are ports that the policy applies to. */
export interface PolicyPlace {
  readonly dpu: DpuEntry;
  readonly router: Name;
  ruleSet: SharedObject;
  ports: number;
}

/** A service chain, the ports whose traffic goes through it, and where these are. */
export interface ChainEntry {
  record: ServiceChainRecord;
  /** Connected or not. */
  readonly ports: Set<PortEntry>;
  /** Ports that it selects, but that another chain with a part of its destination has. */
  readonly overlapping: Set<PortEntry>;
  /** By `placeKey`. */
  readonly places: Map<string, ChainPlace>;
  /** DPUs that have not confirmed what last changed of it or of its ports there. */
  lagging: number;
}

/** A router on a DPU in which there are ports that go through the chain. */
export interface ChainPlace {
  readonly dpu: DpuEntry;
  readonly router: RouterEntry;
  object: SharedObject;
  ports: number;
}

/** Where a port is that goes through chains. */
export interface ChainedPort {
  readonly dpu: DpuEntry;
  readonly router: RouterEntry;
  readonly chains: readonly ChainEntry[];
}

export interface AddressSetEntry {
  record: AddressSetRecord;
  readonly policies: Set<PolicyEntry>;
  /** DPUs that have not confirmed what last changed of it there, or that they have it. */
  lagging: number;
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
