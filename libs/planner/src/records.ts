import {
  type AddressSet,
  type EncapsulationPolicy,
  type FunctionIdentity,
  type IndexEntry,
  type IpAddress,
  kindOf,
  type Labels,
  type MacAddress,
  type Name,
  type NetlinkObject,
  type Network,
  type NetworkType,
  type PhysicalNetwork,
  type Port,
  type Router,
  type SecurityPolicy,
  type Segment,
  type SerialNumber,
  type ServiceChain,
  type Subnet,
  type TenantName,
  type Uid,
} from '@outboard/model';

/** A PhysicalNetwork as it is stored. */
export interface PhysicalNetworkRecord {
  readonly kind: 'PhysicalNetwork';
  readonly resource: PhysicalNetwork;
}

/** An EncapsulationPolicy as it is stored. */
export interface EncapsulationPolicyRecord {
  readonly kind: 'EncapsulationPolicy';
  readonly resource: EncapsulationPolicy;
}

/** A Network as it is stored. */
export interface NetworkRecord {
  readonly kind: 'Network';
  readonly resource: Network;
}

/** A Router as it is stored. */
export interface RouterRecord {
  readonly kind: 'Router';
  readonly resource: Router;
}

/** A Subnet as it is stored. */
export interface SubnetRecord {
  readonly kind: 'Subnet';
  readonly resource: Subnet;
}

/** An AddressSet as it is stored. */
export interface AddressSetRecord {
  readonly kind: 'AddressSet';
  readonly resource: AddressSet;
}

/** A SecurityPolicy as it is stored. */
export interface SecurityPolicyRecord {
  readonly kind: 'SecurityPolicy';
  readonly resource: SecurityPolicy;
}

/** A Port as it is stored: its allocations and its place are in its status. */
export interface PortRecord {
  readonly kind: 'Port';
  readonly resource: Port;
  /** Sequence at which the port last changed in any document; 0: it never was in one. */
  readonly sequence: number;
}

/** A NetlinkObject as it is stored. */
export interface NetlinkObjectRecord {
  readonly kind: 'NetlinkObject';
  readonly resource: NetlinkObject;
}

/** A ServiceChain as it is stored. */
export interface ServiceChainRecord {
  readonly kind: 'ServiceChain';
  readonly resource: ServiceChain;
}

/** What the planner knows of a Dpu of admin. */
export interface DpuRecord {
  readonly kind: 'Dpu';
  readonly name: Name;
  readonly serialNumber: SerialNumber | undefined;
  readonly labels: Labels;
  /** What its dataplane can realise. */
  readonly encapsulations: readonly NetworkType[];
  /** Where tunnels to this DPU end, as was last told; undefined: it never was, nothing is planned there. */
  readonly tunnelEndpoint: IpAddress | undefined;
  /** Bytes of the largest IP packet of the underlay, as was last told. */
  readonly underlayMtu: number | undefined;
  /** Whether the dataplane can realise ports in hardware. */
  readonly hardwareOffload: boolean;
  /** Whether the dataplane can connect ports as VLANs of others. */
  readonly trunks: boolean;
  /** Whether the worker holds its lease. */
  readonly reachable: boolean;
  /** Whether ports that are not on it may come there. */
  readonly schedulable: boolean;
}

/** What the planner knows of a Function of admin. */
export interface FunctionRecord {
  readonly kind: 'Function';
  readonly name: Name;
  readonly dpu: Name;
  readonly identity: FunctionIdentity;
  /** Netdev name of the representor; undefined: not known yet. */
  readonly representor: string | undefined;
}

/**
 * Values that a port or a network has given up, and the DPUs that may still have them. Kept until all of these have
 * applied the sequence that takes the values away, or are retired; until then the values are quarantined.
 */
export interface ReleaseRecord {
  readonly kind: 'Release';
  /** Unique: the revision of the release and a number. */
  readonly name: string;
  readonly networkUid: Uid;
  /** Who had the values; it may have them again at once. */
  readonly holder: {
    readonly kind: 'Port' | 'Network';
    readonly tenant: TenantName;
    readonly name: Name;
    readonly uid: Uid;
  };
  readonly addresses: readonly IpAddress[];
  readonly macAddress: MacAddress | undefined;
  readonly segment: Segment | undefined;
  /** Sequence that each DPU must have applied. */
  readonly waits: Readonly<Record<string, number>>;
}

/** An allocated address of a port that is gone, kept for a port of the same name. No port has it, and no reservation. */
export interface RetentionRecord {
  readonly kind: 'Retention';
  /** Unique: the uid of the subnet and the name of the port. */
  readonly name: string;
  /** Key of the subnet (`nameKey`). */
  readonly subnet: string;
  readonly port: Name;
  readonly address: IpAddress;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/**
 * Ports of a tenant had something else to wait for, as other policies, and were too many for one commit to write them all.
 * As long as there is this, rows of the tenant's ports that are older may claim more than DPUs have confirmed.
 */
export interface RetellingRecord {
  readonly kind: 'Retelling';
  /** The tenant's. */
  readonly name: TenantName;
  /** Of the last decision that was so. */
  readonly revision: number;
  /** When that was, in milliseconds since the epoch. */
  readonly time: number;
}

/** Everything that the store keeps for the planner: one row each. */
export type StoredRecord =
  | PhysicalNetworkRecord
  | EncapsulationPolicyRecord
  | RouterRecord
  | NetworkRecord
  | SubnetRecord
  | AddressSetRecord
  | SecurityPolicyRecord
  | PortRecord
  | NetlinkObjectRecord
  | ServiceChainRecord
  | DpuRecord
  | FunctionRecord
  | ReleaseRecord
  | RetentionRecord
  | RetellingRecord;

/** Every kind of record, in the order in which they must be taken over: each refers only to kinds before it. */
export const RECORD_KINDS = [
  'Dpu',
  'Function',
  'PhysicalNetwork',
  'EncapsulationPolicy',
  'Router',
  'Network',
  'Subnet',
  'AddressSet',
  'SecurityPolicy',
  'Port',
  'NetlinkObject',
  'ServiceChain',
  'Release',
  'Retention',
  'Retelling',
] as const satisfies readonly StoredRecord['kind'][];

/** Names a row: the shape of the store's key. */
export interface RecordKey {
  readonly kind: StoredRecord['kind'];
  readonly tenant: string;
  readonly name: string;
}

/** Projections, releases, retentions and retellings belong to no tenant. */
const NO_TENANT = '_';

export function keyOf(record: StoredRecord): RecordKey {
  switch (record.kind) {
    case 'PhysicalNetwork':
    case 'EncapsulationPolicy':
    case 'Router':
    case 'Network':
    case 'Subnet':
    case 'AddressSet':
    case 'SecurityPolicy':
    case 'Port':
    case 'NetlinkObject':
    case 'ServiceChain': {
      const { tenant, name } = record.resource.metadata;
      return { kind: record.kind, tenant, name };
    }
    default:
      return { kind: record.kind, tenant: NO_TENANT, name: record.name };
  }
}

/** Index entries of a row: what lists look up, and what no two rows may hold. */
export const indexesOf = (record: StoredRecord): readonly IndexEntry[] =>
  'resource' in record ? kindOf(record.resource).indexes(record.resource) : [];
