import type { Name, ProblemState } from '@outboard/model';

/** Where a document is: see DocumentVersion of the worker protocol. */
export interface DocumentHead {
  readonly sequence: number;
  /** 16 bytes. */
  readonly digest: Uint8Array;
}

/** What changes in one DPU's document, from the sequence `base` to its own. */
export interface DocumentChange extends DocumentHead {
  readonly dpu: Name;
  readonly base: number;
  readonly upserts: readonly DocumentObject[];
  readonly deletes: readonly string[];
}

/** What changes in one DPU's document, object by object. */
export interface DocumentDifference {
  readonly dpu: Name;
  /** Serialised neutral objects; `before` undefined: it is new; `after` undefined: it goes. */
  readonly objects: readonly {
    readonly key: string;
    readonly before: Uint8Array | undefined;
    readonly after: Uint8Array | undefined;
  }[];
}

/** One entry of a document: a serialised neutral object. The bytes are shared and must not be written to. */
export interface DocumentObject {
  readonly key: string;
  readonly object: Uint8Array;
}

/** A whole document, objects in the order of their keys. */
export interface CompiledDocument extends DocumentHead {
  readonly objects: readonly DocumentObject[];
}

export interface ReportedProblem {
  readonly key: string;
  readonly state: ProblemState;
  readonly message: string;
  /** No problem: the worker has not come to it yet, nor to other objects of its source. */
  readonly isUnderWay?: true;
  /** It was so, did not hold, and what was there before it is back. */
  readonly isRolledBack?: true;
}

/** What a worker has applied and read back, already checked to be of this store's epoch. */
export interface DocumentReport {
  readonly dpu: Name;
  readonly sequence: number;
  readonly problems: readonly ReportedProblem[];
  /** Greater than `problems.length` when the list was cut. */
  readonly problemTotal: number;
  /** Undefined: the DPU has no hardware, or its worker tells nothing of it. */
  readonly offload?: ReportedOffload | undefined;
}

/** Hardware has all that the ports of the DPU forward, except for these. */
export interface ReportedOffload {
  /** Reasons by the object's key. */
  readonly inSoftware: ReadonlyMap<string, string>;
  /** Greater than the size of `inSoftware` when the list was cut. */
  readonly inSoftwareTotal: number;
}
