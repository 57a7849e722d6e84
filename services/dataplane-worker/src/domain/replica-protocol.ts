import type { DocumentEntry } from '@outboard/contracts';
import type { DocumentUpdate, DocumentVersion } from '@outboard/dataplane';

/** A change to `version`, within one epoch. A key occurs once in it. */
export interface DocumentChange {
  readonly version: DocumentVersion;
  readonly upserts: ReadonlyMap<string, Uint8Array>;
  readonly deletes: readonly string[];
}

/** A change from the version with sequence `base`. */
export interface Delta extends DocumentChange {
  readonly base: bigint;
}

/** What the owner says to {epoch, sequence, digest}. */
export type SyncAnswer =
  | { readonly kind: 'current' }
  | { readonly kind: 'deltas'; readonly deltas: readonly Delta[] }
  | { readonly kind: 'fetch'; readonly version: DocumentVersion };

/** A part of the document at one version; the last page has no `nextPageToken`. */
export interface Page {
  readonly version: DocumentVersion;
  readonly objects: readonly DocumentEntry[];
  readonly nextPageToken: string;
}

/**
 * `unknown`: the owner does not know this DPU. `aborted`: the version that the pages belong to is gone.
 * `failed`: anything else, the owner or the bus being away above all; it says nothing about the document.
 */
export type Refusal = 'unknown' | 'aborted' | 'failed';

export type ReplicaEvent =
  | { readonly kind: 'connected' }
  /** The time of the last `wait` is over. */
  | { readonly kind: 'elapsed' }
  | { readonly kind: 'delta'; readonly delta: Delta }
  | { readonly kind: 'synchronised'; readonly request: number; readonly answer: SyncAnswer }
  | { readonly kind: 'page'; readonly request: number; readonly page: Page }
  | { readonly kind: 'refused'; readonly request: number; readonly refusal: Refusal };

export type ReplicaAction =
  | { readonly kind: 'submit'; readonly update: DocumentUpdate }
  /** The document is another: keep it on disk. By `change` from the one before; undefined: as a whole. */
  | { readonly kind: 'persist'; readonly change?: DocumentChange }
  | { readonly kind: 'synchronise'; readonly request: number; readonly version: DocumentVersion }
  | { readonly kind: 'fetch'; readonly request: number; readonly pageToken: string }
  /** Replaces the wait before. `jitter` 0.2: anything from 0.8 to 1.2 of it. */
  | { readonly kind: 'wait'; readonly milliseconds: number; readonly jitter: number }
  /** Something that should not happen and was repaired: for the log. */
  | { readonly kind: 'warn'; readonly message: string };

/** A whole document. */
export interface DocumentState {
  readonly version: DocumentVersion;
  readonly entries: ReadonlyMap<string, Uint8Array>;
}

/** Epoch, sequence and digest: a database that lost its last commits counts the same sequences again. */
export const isSameVersion = (left: DocumentVersion, right: DocumentVersion): boolean =>
  left.epoch === right.epoch &&
  left.sequence === right.sequence &&
  Buffer.compare(left.digest, right.digest) === 0;
