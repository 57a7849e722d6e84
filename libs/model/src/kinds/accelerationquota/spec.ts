import type { Resource, Status } from '../../resource.js';

export interface AccelerationQuotaSpec {
  readonly maxSessions: number;
  readonly maxKeys: number;
  readonly maxWeight: number;
  readonly maxInFlightMebibytes: number;
}

/** Of a tenant without a quota. */
export const DEFAULT_ACCELERATION_QUOTA: AccelerationQuotaSpec = {
  maxSessions: 1_000,
  maxKeys: 1_000,
  maxWeight: 10_000,
  maxInFlightMebibytes: 1_048_576,
};

export interface AccelerationQuotaStatus extends Status {
  readonly sessions: number;
  readonly keys: number;
  readonly weight: number;
  readonly inFlightMebibytes: number;
}

/** What a tenant may have of acceleration at one time. */
export type AccelerationQuota = Resource<'AccelerationQuota', AccelerationQuotaSpec, AccelerationQuotaStatus>;
