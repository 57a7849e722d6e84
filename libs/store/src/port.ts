import type { AppError, Result } from '@outboard/core';

/** Names one resource of one kind. Tenant `_` stands for none. */
export interface Key {
  readonly kind: string;
  readonly tenant: string;
  readonly name: string;
}

/** An entry of a secondary index. A unique one may be held by a single row of the store. */
export interface IndexEntry {
  /** `<kind>.<what>`, for example `port.network` or `port.function`. */
  readonly index: string;
  readonly value: string;
  readonly unique: boolean;
}

/** What a row is written as: an opaque JSON text, found by its key and its index entries. */
export interface NewRow {
  readonly key: Key;
  readonly value: string;
  readonly indexes: readonly IndexEntry[];
}

/** A stored row. `revision` is the store's revision of the commit that wrote it. */
export interface Row extends NewRow {
  readonly revision: number;
}

/** A message that must be published because of a commit: published in order, at least once, with its id. */
export interface OutboxMessage {
  /** `Nats-Msg-Id`: unique for ever, so that the broker and the receivers can drop repetitions. */
  readonly messageId: string;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** An outbox message with its place in the order. */
export interface PendingMessage extends OutboxMessage {
  readonly sequence: number;
}

/** The answer that a message id got, given again when the same id arrives again. */
export interface RememberedAnswer {
  readonly messageId: string;
  /** SHA-256 of what was asked, hex: the same id with another body is refused. */
  readonly fingerprint: string;
  /** Opaque JSON text. */
  readonly answer: string;
}

/**
 * One atomic change. All of it is written, or nothing. It belongs to the store from the call of `commit` on: do not
 * change it any more. A key is put or deleted once at most; deleting what is not there is no error.
 */
export interface Batch {
  /** Each must hold at the moment of the commit; `absent`: no such row. */
  readonly expect: readonly { readonly key: Key; readonly revision: number | 'absent' }[];
  readonly puts: readonly NewRow[];
  readonly deletes: readonly Key[];
  readonly outbox: readonly OutboxMessage[];
  readonly remember: readonly RememberedAnswer[];
}

/** Refusals of a commit; nothing of the batch was written. They are looked for in this order. */
export type CommitRefusal =
  /** A message id of `remember` got its answer before (another commit with the same id was faster): give that one. */
  | { readonly kind: 'answered'; readonly remembered: RememberedAnswer }
  /** An expectation did not hold: `found` is the revision that is there. */
  | { readonly kind: 'stale'; readonly key: Key; readonly found: number | 'absent' }
  /** A unique index entry is held by another row, or given to two rows of this batch. */
  | { readonly kind: 'taken'; readonly entry: IndexEntry; readonly holder: Key }
  /** The database could not be written (disk full, read-only, corrupted, closed, or too many commits waiting). */
  | { readonly kind: 'unavailable'; readonly error: AppError };

export interface Committed {
  /** The store's revision of this commit; every row that it wrote carries it. */
  readonly revision: number;
  /** Sequence of the newest message that was ever put into the outbox, by this commit or before; 0: none was. */
  readonly outboxSequence: number;
}

/** One page of rows in key order (tenant, name). */
export interface Page {
  readonly rows: readonly Row[];
  /** Pass as `after` to continue; undefined: this was the last page. */
  readonly next: Key | undefined;
}

/** A consistent view of committed data: every read of one `read` call sees the same revision. */
export interface Snapshot {
  /** Revision of the newest commit in this view. */
  readonly revision: number;
  get(key: Key): Row | undefined;
  /** Rows of a kind (of one tenant, or of all) in key order. `limit` is 1 to 10000. */
  list(kind: string, options: { tenant?: string; after?: Key; limit: number }): Page;
  /** Rows that carry an index entry, in key order (kind, tenant, name) after `after`, at most `limit` (1 to 10000). */
  find(index: string, value: string, limit: number, after?: Key): readonly Row[];
  remembered(messageId: string): RememberedAnswer | undefined;
  /**
   * Oldest unpublished messages after the sequence `after` first: at most `limit` (1 to 10000), and no more once
   * their bodies fill 4 MiB.
   */
  pendingMessages(limit: number, after?: number): readonly PendingMessage[];
}

/**
 * Inventory and desired state of one service. One writer, many readers.
 * Commits that are called while one is being written are grouped into one transaction of the database, each still
 * refused or accepted on its own, in the order of the calls.
 */
export interface Store extends AsyncDisposable {
  /**
   * New whenever the database is created, restored or may have lost its newest commits: revisions and sequences of
   * different epochs must not be compared.
   */
  readonly epoch: string;
  /** Why the database cannot be written or read at present; undefined: the last change was written. For health checks. */
  readonly problem: AppError | undefined;
  /**
   * Synchronous on purpose: an asynchronous callback could not see one consistent state. The snapshot ends with the
   * call. Throws INVALID_ARGUMENT for a limit out of its range, and an AppError when the database cannot be read.
   */
  read<Value>(query: (snapshot: Snapshot) => NotPromise<Value>): Value;
  /**
   * Resolves when the commit is as durable as the adapter was configured to make it. Rejects with INVALID_ARGUMENT,
   * naming every field, when the batch breaks `LIMITS`: the caller has to bound its input before.
   */
  commit(batch: Batch): Promise<Result<Committed, CommitRefusal>>;
  /** Forgets messages that the broker has acknowledged. Rejects with an AppError when that could not be written. */
  markPublished(sequences: readonly number[]): Promise<void>;
  /** Forgets answers that were remembered before `revision`, at most `limit` of them; how many it forgot. */
  forgetAnswersBefore(revision: number, limit: number): Promise<number>;
}

/** Makes `read(async ...)` a compile error. */
export type NotPromise<Value> = Value extends PromiseLike<unknown> ? never : Value;
