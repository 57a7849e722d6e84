import type { AlgorithmName } from '../engine/algorithms.js';
import type { Sealed } from './hpke.js';

/** A key as its owner wants it on this worker. */
export interface WantedKey {
  readonly keyUid: string;
  readonly tenant: string;
  /** The only session that may use it; empty: all of the tenant. */
  readonly sessionUid: string;
  readonly algorithm: AlgorithmName;
  readonly versions: readonly WantedVersion[];
}

/** One secret of a key. At most one version is ACTIVE: what is made is made with it. */
export interface WantedVersion {
  /** From 1. */
  readonly version: number;
  readonly state: 'ACTIVE' | 'DECRYPT_ONLY';
  /** Sealed to this worker; undefined: to be made here. */
  readonly sealed: Sealed | undefined;
  /** u32: the first four bytes of nonces. */
  readonly noncePrefix: number;
  /** Nonces that may be made with it. */
  readonly maximumJobs: bigint;
}

/** Jobs of a version that nobody limits: what NIST SP 800-38D allows for any nonce but these, and plenty. */
export const DEFAULT_MAXIMUM_JOBS = 1n << 32n;

/** What a sealed key is bound to: opened for another tenant, key, version, algorithm or session, it is noise. */
export const keyInfo = (
  { tenant, keyUid, algorithm, sessionUid }: Omit<WantedKey, 'versions'>,
  version: number,
): Uint8Array =>
  Buffer.from(['outboard acceleration key 1', tenant, keyUid, version, algorithm, sessionUid].join('\n'));
