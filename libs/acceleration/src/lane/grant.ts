import type { Offload } from '../engine/engine.js';
import type { Program } from '../program/program.js';

/** What a session may do, as a thread is told it. */
export interface SessionGrant {
  readonly sessionUid: string;
  readonly epoch: number;
  /** SHA-256 of each token that opens it, 32 bytes. */
  readonly tokenDigests: readonly Uint8Array[];
  /** The only user that may connect; undefined: any. */
  readonly peerUid: number | undefined;
  readonly weight: number;
  /** On a connection. */
  readonly maximumJobs: number;
  readonly maximumBytes: number;
  readonly maximumConnections: number;
  /** The holder may do jobs itself where the worker cannot. */
  readonly hostFallback: boolean;
  /** Which engines may do its jobs. */
  readonly offload: Offload;
  /** Of all lanes. */
  readonly programs: readonly Program[];
}

/** Whether there may be somebody who could connect before and cannot now. */
export function excludes(former: SessionGrant, grant: SessionGrant): boolean {
  const isValid = (digest: Uint8Array): boolean =>
    grant.tokenDigests.some((each) => Buffer.compare(each, digest) === 0);
  const isOtherUser = grant.peerUid !== undefined && grant.peerUid !== former.peerUid;
  return isOtherUser || !former.tokenDigests.every(isValid);
}
