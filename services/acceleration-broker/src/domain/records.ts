import type {
  AccelerationKey,
  AccelerationProfile,
  AccelerationQuota,
  AccelerationSession,
  AcceleratorEngine,
  HostName,
  Name,
  TenantName,
} from '@outboard/model';
import { SYSTEM_TENANT } from '@outboard/model';
import type { Key } from '@outboard/store';

/** What is projected of admin. */
export interface DpuRecord {
  readonly kind: 'Dpu';
  readonly name: Name;
  readonly host: HostName | undefined;
  /** Its worker reports. */
  readonly isReachable: boolean;
  /** What is on it shall leave it. */
  readonly isDrained: boolean;
  /** Undefined: its worker serves no acceleration. */
  readonly accelerator: AcceleratorFacts | undefined;
}

export interface AcceleratorFacts {
  /** Base64; another one after its disk was lost: so it tells workers apart. */
  readonly sealingPublicKey: string;
  readonly socketDirectory: string;
  readonly engines: readonly AcceleratorEngine[];
}

/** What is projected of network-intent. */
export interface PortRecord {
  readonly kind: 'Port';
  readonly tenant: TenantName;
  readonly name: Name;
  /** Undefined: stored before it was needed. */
  readonly uid?: string | undefined;
  readonly dpu: Name | undefined;
  /** `namespace/name` of the pod that an agent made it for. */
  readonly pod?: string | undefined;
}

/** The store that the records were written to last: a restored one has lost what was given away after its backup. */
export interface StoreRecord {
  readonly kind: 'Store';
  readonly epoch: string;
}

export interface ProfileRecord {
  readonly kind: 'AccelerationProfile';
  readonly resource: AccelerationProfile;
}

export interface QuotaRecord {
  readonly kind: 'AccelerationQuota';
  readonly resource: AccelerationQuota;
}

export interface SessionRecord {
  readonly kind: 'AccelerationSession';
  readonly resource: AccelerationSession;
  /** Uids of the keys that its programs name, by name, as they were found last: one that is gone is still named. */
  readonly keys: Readonly<Record<string, string>>;
  /** While somebody may serve it under an earlier epoch, nobody serves it under this one. */
  readonly leaving?: Leaving | undefined;
  /** The port of its holder, once that was there. */
  readonly bound?: BoundPort | undefined;
}

/** The port that a session is bound to, by what no other one ever is. */
export interface BoundPort {
  readonly name: string;
  readonly uid: string;
  /** Since when: wall clock, milliseconds. */
  readonly at: number;
}

/** Who may serve a session still that is to be served elsewhere. */
export interface Leaving {
  /** Undefined: nobody knows, as the store was restored. */
  readonly dpu: Name | undefined;
  /** Of the DPU's document, without the session: a worker that has applied it has let it go. */
  readonly sequence: number;
}

/** A key version on a DPU, with the first four bytes of the nonces made there. */
export interface KeyPlace {
  readonly version: number;
  readonly dpu: Name;
  readonly sealingPublicKey: string;
  readonly noncePrefix: number;
  /** Of a secret that was made there, as its worker tells it. */
  readonly fingerprint?: string | undefined;
}

export interface KeyRecord {
  readonly kind: 'AccelerationKey';
  readonly resource: AccelerationKey;
  readonly places: readonly KeyPlace[];
  /** u32: no place of the key has had it or one after it. */
  readonly nextNoncePrefix: number;
}

export type StoredRecord =
  | DpuRecord
  | PortRecord
  | StoreRecord
  | ProfileRecord
  | QuotaRecord
  | SessionRecord
  | KeyRecord;
export type RecordKind = StoredRecord['kind'];
export type RecordOf<Kind extends RecordKind> = Extract<StoredRecord, { readonly kind: Kind }>;

export const RECORD_KINDS = [
  'Store',
  'Dpu',
  'Port',
  'AccelerationQuota',
  'AccelerationProfile',
  'AccelerationKey',
  'AccelerationSession',
] as const satisfies readonly RecordKind[];

/** The row of a record. */
export function keyOf(record: StoredRecord): Key {
  const { kind } = record;
  switch (kind) {
    case 'Dpu':
      return { kind, tenant: SYSTEM_TENANT, name: record.name };
    case 'Port':
      return { kind, tenant: record.tenant, name: record.name };
    case 'Store':
      return { kind, tenant: SYSTEM_TENANT, name: 'store' };
    default: {
      const { tenant, name } = record.resource.metadata;
      return { kind, tenant, name };
    }
  }
}

/** A resource of a tenant, as indexes name it. */
export const nameKey = (tenant: string, name: string): string => `${tenant}/${name}`;

export const nameKeyOf = ({ resource: { metadata } }: SessionRecord | KeyRecord): string =>
  nameKey(metadata.tenant, metadata.name);
