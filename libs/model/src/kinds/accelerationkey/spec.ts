import type { AlgorithmName } from '@outboard/acceleration/programs';
import type { Propagation } from '../../propagation.js';
import type { Resource, Status } from '../../resource.js';
import type { Name } from '../../values.js';

export const KEY_STATES = ['ACTIVE', 'DECRYPT_ONLY'] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** A secret, sealed to one DPU; all as base64. */
export interface SealedSecret {
  readonly sealingPublicKey: string;
  readonly encapsulatedKey: string;
  readonly ciphertext: string;
}

export interface KeyVersion {
  readonly version: number;
  readonly state: KeyState;
  /** Empty exactly when it is generated. */
  readonly sealed: readonly SealedSecret[];
  readonly generatedOn: Name | undefined;
  /** Undefined: 2^32. */
  readonly maxJobs: number | undefined;
  readonly fingerprint: string | undefined;
}

export interface AccelerationKeySpec {
  readonly algorithm: AlgorithmName;
  readonly session: Name | undefined;
  /** In the order of their numbers. */
  readonly versions: readonly KeyVersion[];
}

export interface KeyVersionStatus {
  readonly version: number;
  readonly state: KeyState;
  readonly fingerprint: string | undefined;
  readonly dpus: readonly Name[];
  readonly lost: boolean;
}

export interface AccelerationKeyStatus extends Status {
  readonly versions: readonly KeyVersionStatus[];
  readonly sessions: number;
  /** Undefined: it concerns no DPU. */
  readonly propagated: Propagation | undefined;
}

/** A key that programs name. */
export type AccelerationKey = Resource<'AccelerationKey', AccelerationKeySpec, AccelerationKeyStatus>;
