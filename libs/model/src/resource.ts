import type { Condition } from './conditions.js';
import type { Labels, Name, TenantName, Uid } from './values.js';

/** Identity and bookkeeping of a stored resource. */
export interface Metadata {
  readonly tenant: TenantName;
  readonly name: Name;
  readonly uid: Uid;
  readonly labels: Labels;
  /** Counts changes of the spec, from 1. */
  readonly generation: number;
  /** Opaque revision of the store. */
  readonly resourceVersion: string;
}

/** What every status has. */
export interface Status {
  /** The generation that the rest of the status speaks of; 0: none yet. */
  readonly observedGeneration: number;
  readonly conditions: readonly Condition[];
}

/** A stored resource. */
export interface Resource<Kind extends string, Spec, KindStatus extends Status> {
  readonly kind: Kind;
  readonly metadata: Metadata;
  readonly spec: Spec;
  readonly status: KindStatus;
}

/** Metadata as a caller gives it: an identity, labels, and preconditions. */
export interface IntentMetadata {
  readonly tenant: TenantName;
  readonly name: Name;
  readonly labels: Labels;
  /** Precondition: the resource that is there must have this uid. */
  readonly uid: Uid | undefined;
  /** Precondition: the resource that is there must have this revision. */
  readonly resourceVersion: string | undefined;
}

/** What a caller wants: a valid spec under a name. */
export interface Intent<Kind extends string, Spec> {
  readonly kind: Kind;
  readonly metadata: IntentMetadata;
  readonly spec: Spec;
}
