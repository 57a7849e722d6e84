import type {
  FunctionIdentity,
  IpAddress,
  MacAddress,
  Name,
  Network,
  Port,
  SerialNumber,
  Subnet,
  TenantName,
  Uid,
  Vni,
} from '@outboard/model';

/** A Network as it is stored. */
export interface NetworkRecord {
  readonly kind: 'Network';
  readonly resource: Network;
}

/** A Subnet as it is stored. */
export interface SubnetRecord {
  readonly kind: 'Subnet';
  readonly resource: Subnet;
}

/** A Port as it is stored: its allocations and its place are in its status. */
export interface PortRecord {
  readonly kind: 'Port';
  readonly resource: Port;
  /** Sequence at which the Endpoint on the home DPU last changed; 0: never planned. */
  readonly endpointSequence: number;
  /** Sequence at which the RemoteEndpoint on the other DPUs last changed. */
  readonly remoteSequence: number;
}

/** What the planner knows of a Dpu of admin. */
export interface DpuRecord {
  readonly kind: 'Dpu';
  readonly name: Name;
  readonly serialNumber: SerialNumber | undefined;
  /** Where tunnels to this DPU end; undefined: not known yet, nothing is planned there. */
  readonly tunnelEndpoint: IpAddress | undefined;
  /** Bytes of the largest IP packet of the underlay. */
  readonly underlayMtu: number | undefined;
  /** Whether the dataplane can realise ports in hardware. */
  readonly hardwareOffload: boolean;
  /** Whether the worker holds its lease. */
  readonly reachable: boolean;
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
  readonly vni: Vni | undefined;
  /** Sequence that each DPU must have applied. */
  readonly waits: Readonly<Record<string, number>>;
}

/** Everything that the store keeps for the planner: one row each. */
export type StoredRecord =
  | NetworkRecord
  | SubnetRecord
  | PortRecord
  | DpuRecord
  | FunctionRecord
  | ReleaseRecord;

/** Names a row: the shape of the store's key. */
export interface RecordKey {
  readonly kind: StoredRecord['kind'];
  readonly tenant: string;
  readonly name: string;
}

/** The shape of the store's index entries. */
export interface RecordIndexEntry {
  readonly index: string;
  readonly value: string;
  readonly unique: boolean;
}

/** Projections and releases belong to no tenant. */
const NO_TENANT = '_';

export function keyOf(record: StoredRecord): RecordKey {
  switch (record.kind) {
    case 'Network':
    case 'Subnet':
    case 'Port': {
      const { tenant, name } = record.resource.metadata;
      return { kind: record.kind, tenant, name };
    }
    default:
      return { kind: record.kind, tenant: NO_TENANT, name: record.name };
  }
}

/** Equal identities are equal texts. */
export function identityKey(identity: FunctionIdentity): string {
  return `${identity.serialNumber}/${identity.pfMacAddress}/${identity.vfNumber ?? 'pf'}`;
}

/** Index entries of a row: lookups of the lists, and what no two rows may hold. */
export function indexesOf(record: StoredRecord): RecordIndexEntry[] {
  switch (record.kind) {
    case 'Network': {
      const { metadata, status } = record.resource;
      const vni = status.segment?.segmentationId;
      const entries = [{ index: 'network.uid', value: metadata.uid as string, unique: true }];
      return vni === undefined ? entries : [...entries, { index: 'network.vni', value: `${vni}`, unique: true }];
    }
    case 'Subnet': {
      const { metadata, spec } = record.resource;
      return [{ index: 'subnet.network', value: `${metadata.tenant}/${spec.network}`, unique: false }];
    }
    case 'Port': {
      const { metadata, spec, status } = record.resource;
      const entries = [
        { index: 'port.network', value: `${metadata.tenant}/${spec.network}`, unique: false },
        { index: 'port.uid', value: metadata.uid as string, unique: true },
      ];
      if (spec.function) entries.push({ index: 'port.function', value: identityKey(spec.function), unique: true });
      if (status.dpu) entries.push({ index: 'port.dpu', value: status.dpu, unique: false });
      return entries;
    }
    default:
      return [];
  }
}
