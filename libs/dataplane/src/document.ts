/** Names one state of one owner's document on this DPU (outboard.dataplane.v1alpha1.DocumentVersion). */
export interface DocumentVersion {
  readonly epoch: string;
  readonly sequence: bigint;
  readonly digest: Uint8Array;
}

/**
 * The whole document (`complete`) or a change of it. Entries are serialised DataplaneObjects by neutral key, kept as
 * they came. Whether a delta fits what is held (epoch, base) was decided by whoever submits it.
 */
export interface DocumentUpdate {
  readonly owner: string;
  readonly version: DocumentVersion;
  readonly complete?: ReadonlyMap<string, Uint8Array>;
  readonly upserts?: ReadonlyMap<string, Uint8Array>;
  readonly deletes?: Iterable<string>;
}

export interface Source {
  readonly kind: string;
  readonly tenant: string;
  readonly name: string;
}

/** Why a neutral object is not, or not wholly, in the dataplane. */
export interface ObjectProblem {
  /** Key of the neutral object. */
  readonly key: string;
  /** The intent that wants it. */
  readonly source: Source;
  readonly state: 'PENDING' | 'FAILED' | 'FOREIGN' | 'UNSUPPORTED';
  /** Stable as long as the reason is the same. */
  readonly message: string;
  /** No problem, `PENDING` only for its turn: stands for all such objects of its source. */
  readonly isUnderWay?: true;
  /** It was applied, did not hold, and what was there before it is back. */
  readonly isRolledBack?: true;
}

/** Everything of `version` is applied and was read back, except for what `problems` tells. */
export interface DocumentReport {
  readonly owner: string;
  readonly version: DocumentVersion;
  /** All there are, up to `MAX_LISTED_PROBLEMS`; while many objects are on their way, one for each source. */
  readonly problems: readonly ObjectProblem[];
  readonly problemTotal: number;
  /** Driver objects made right after a change from outside, since the last report. */
  readonly repaired: number;
  /** Only of a dataplane with hardware. */
  readonly offload?: DocumentOffload;
}

/** Hardware has all that endpoints forward, except for these. */
export interface DocumentOffload {
  /** All there are, up to `MAX_LISTED_PROBLEMS`. */
  readonly inSoftware: readonly SoftwareObject[];
  readonly inSoftwareTotal: number;
}

/** A neutral object that hardware does not have, or not wholly. */
export interface SoftwareObject {
  readonly key: string;
  /** Names the first object of the dataplane that hardware has not taken over. */
  readonly reason: string;
}

/** Entries of each list of a report. */
export const MAX_LISTED_PROBLEMS = 1000;
