import type { PartialSessionPolicy, SessionPolicy } from '../../acceleration/policy.js';
import type { JobProgram } from '../../acceleration/program.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';
import type { Offload } from '../port/spec.js';

export interface SessionHolder {
  /** Port of the tenant; undefined: nowhere in particular. */
  readonly port: Name | undefined;
  /** `namespace/name`. */
  readonly pod: string | undefined;
}

export interface AccelerationSessionSpec {
  readonly profile: Name | undefined;
  /** Empty exactly with a profile. */
  readonly programs: readonly JobProgram[];
  readonly policy: PartialSessionPolicy;
  readonly holder: SessionHolder;
  readonly dpu: Name | undefined;
  readonly ttlSeconds: number | undefined;
  /** Hexadecimal; undefined: the broker gives a token when it is asked to. */
  readonly tokenSha256: string | undefined;
  readonly peerUid: number | undefined;
}

/** A step, and who does it. */
export interface GrantedStep {
  readonly operation: string;
  readonly algorithm: string;
  readonly implementation: string;
  readonly module: string;
  readonly megabytesPerSecond: number;
}

export interface GrantedProgram {
  readonly id: number;
  readonly steps: readonly GrantedStep[];
}

export const GRANTED_OFFLOADS = ['HARDWARE', 'SOFTWARE', 'PARTIAL'] as const;
export type GrantedOffload = (typeof GRANTED_OFFLOADS)[number];

export interface AccelerationSessionStatus extends Status {
  readonly dpu: Name | undefined;
  /** 0: it never was anywhere. */
  readonly epoch: number;
  readonly socketDirectory: string | undefined;
  readonly tokenSha256: string | undefined;
  readonly programs: readonly GrantedProgram[];
  readonly offload:
    | { readonly asked: Offload; readonly granted: GrantedOffload; readonly reason: string }
    | undefined;
  readonly policy: SessionPolicy | undefined;
  /** RFC 3339 in UTC with seconds. */
  readonly expiresAt: string | undefined;
}

/** The right of one holder to have jobs done by a DPU. */
export type AccelerationSession = Resource<
  'AccelerationSession',
  AccelerationSessionSpec,
  AccelerationSessionStatus
>;
