import type { Api } from '@outboard/contracts';
import type { AppError, Result } from '@outboard/core';
import type { AnyIntent, AnyResource, KindName, Uid } from '@outboard/model';
import type { IndexEntry, Key } from '@outboard/store';

/** What a caller asks for, parsed. */
export type Command =
  | {
      readonly operation: 'apply';
      readonly intent: AnyIntent;
      /** `create`: must not exist yet; `update`: must exist; undefined: either. */
      readonly existence?: 'create' | 'update';
    }
  | {
      readonly operation: 'delete';
      readonly kind: KindName;
      readonly tenant: string;
      readonly name: string;
      /** Precondition: the revision the caller has seen. */
      readonly resourceVersion?: string;
    };

/** What a domain may not find out by itself. */
export interface DomainContext {
  /** Revision that the commit will have. */
  readonly revision: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
  newUid(): Uid;
}

/** One row that a decision writes or deletes, and the resource in it, if it is one that callers see. */
export interface DomainChange {
  readonly key: Key;
  /** Undefined: the row is deleted. Plain data that JSON keeps as it is. */
  readonly record: { readonly data: unknown; readonly indexes: readonly IndexEntry[] } | undefined;
  readonly resource?: { readonly before: AnyResource | undefined; readonly after: AnyResource | undefined };
}

export interface DomainDecision {
  readonly changes: readonly DomainChange[];
  /** What the command was about: after the change, or as it was when deleted. */
  readonly resource: AnyResource;
}

/**
 * The decisions of one service over its in-memory projection. Pure: the same projection and command give the same
 * decision. A method that returns changes has taken them over; a refusal has changed nothing.
 */
export interface ResourceDomain {
  readonly api: Api;
  readonly kinds: readonly KindName[];
  /** Every kind of row that it keeps, resources and others. */
  readonly rowKinds: readonly string[];
  /** Forgets the projection and makes it from these records, which are all that was committed up to `revision`. */
  reload(records: Iterable<unknown>, revision: number): void;
  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError>;
  /** What `decide` would do, as JSON for people and programs, without doing it. */
  plan(command: Command, context: DomainContext): Result<unknown, AppError>;
  /** The resource in a stored record, with what is computed on reading. */
  resourceOf(record: unknown): AnyResource;
}
