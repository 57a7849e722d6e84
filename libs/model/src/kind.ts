import type { Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import type { Api, Condition, ObjectMeta } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { Reasons } from './conditions.js';
import type { Resource, Status } from './resource.js';

/** What every resource message has. */
export interface ResourceMessage extends Message {
  apiVersion: string;
  kind: string;
  metadata?: ObjectMeta | undefined;
  spec?: Message | undefined;
  status?: (Message & { observedGeneration: number; conditions: Condition[] }) | undefined;
}

/** Another resource that a spec names: of the same tenant, or of none. It must exist, and cannot be deleted meanwhile. */
export interface Reference {
  /** Path of the field that names it. */
  readonly field: string;
  readonly kind: string;
  readonly name: string;
}

/** An entry of a secondary index of the store. A unique one may be held by a single resource. */
export interface IndexEntry {
  /** `<kind>.<what>`, for example `port.network`. */
  readonly index: string;
  readonly value: string;
  readonly unique: boolean;
}

/** A field by its path, as text. */
export interface Accessor<Owner> {
  readonly field: string;
  /** Undefined: absent. */
  read(owner: Owner): string | undefined;
}

/** Everything that is particular to one kind: parsing, wire form, references, and what the documentation says. */
export interface Kind<
  // biome-ignore lint/suspicious/noExplicitAny: a bound that every resource satisfies; nothing is read through it
  KindResource extends Resource<string, any, any> = Resource<string, unknown, Status>,
  KindMessage extends ResourceMessage = ResourceMessage,
  KindReasons extends Reasons = Reasons,
> {
  readonly kind: KindResource['kind'];
  readonly api: Api;
  /** `tenant`: lives in one; `system`: belongs to none. */
  readonly scope: 'tenant' | 'system';
  /** One sentence for the documentation. */
  readonly summary: string;
  /** Rules that are not told at a field: across fields and resources. */
  readonly rules: readonly string[];
  readonly schema: GenMessage<KindMessage>;
  readonly reasons: KindReasons;
  /** Fields that an update cannot change. */
  readonly immutable: readonly Accessor<KindResource['spec']>[];
  /** What lists can be filtered by, besides labels and `metadata.name`. */
  readonly selectable: readonly Accessor<KindResource>[];
  /** Of a resource of which nothing is known but its spec. */
  readonly emptyStatus: KindResource['status'];

  /** The domain value of a spec. Undefined only if there are problems; with problems, a value is not to be used. */
  parseSpec(message: KindMessage['spec'], problems: Problems): KindResource['spec'] | undefined;
  /** Rules on an update beyond `immutable`. */
  checkUpdate?(before: KindResource, after: KindResource['spec'], problems: Problems): void;
  specToMessage(spec: KindResource['spec']): NonNullable<KindMessage['spec']>;
  /** All of the status but its conditions. */
  parseStatus(
    message: KindMessage['status'],
    problems: Problems,
  ): Omit<KindResource['status'], 'conditions'> | undefined;
  /** All of the status but its conditions. */
  statusToMessage(status: KindResource['status']): NonNullable<KindMessage['status']>;
  references(spec: KindResource['spec']): readonly Reference[];
  /** Uids are not among them: they are made here, and nobody looks for them in the store. */
  indexes(resource: KindResource): readonly IndexEntry[];
}
