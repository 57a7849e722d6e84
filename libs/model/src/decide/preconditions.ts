import { AppError, equal } from '@outboard/core';
import { computeConditions } from '../conditions.js';
import { type AnyResource, type KindName, kindOf } from '../registry.js';
import type { IntentMetadata, Metadata, Status } from '../resource.js';
import type { Uid } from '../values.js';
import { describe } from './refusal.js';

/** `create`: must not exist yet; `update`: must exist; undefined: either. */
export type Existence = 'create' | 'update' | undefined;

/** A command of any service. */
type AnyCommand<Kind extends string> =
  | {
      readonly operation: 'apply';
      readonly intent: { readonly kind: Kind; readonly metadata: IntentMetadata };
    }
  | {
      readonly operation: 'delete';
      readonly kind: Kind;
      readonly tenant: string;
      readonly name: string;
      readonly resourceVersion?: string;
    };

interface Target<Kind extends string = string> {
  readonly kind: Kind;
  readonly metadata: {
    readonly tenant: string;
    readonly name: string;
    readonly uid: Uid | undefined;
    readonly resourceVersion: string | undefined;
  };
}

/** What a command is about, as its caller has seen it. */
export function targetOf<Kind extends string>(command: AnyCommand<Kind>): Target<Kind> {
  if (command.operation === 'apply') return command.intent;
  const { kind, tenant, name, resourceVersion } = command;
  return { kind, metadata: { tenant, name, uid: undefined, resourceVersion } };
}

/** Whether the resource that is there (`existing` undefined: none) is the one that the caller means. */
export function checkPreconditions(
  target: Target,
  existing: { readonly metadata: Metadata } | undefined,
  existence: Existence,
): AppError | undefined {
  const what = describe(target);
  const { uid, resourceVersion } = target.metadata;
  if (existence === 'create' && existing) {
    return new AppError('ALREADY_EXISTS', `${what} exists already`, { reason: 'EXISTS' });
  }
  if (existence === 'update' && !existing) return notFound(target);
  if (resourceVersion !== undefined && resourceVersion !== existing?.metadata.resourceVersion) {
    const found = existing ? `it is at ${existing.metadata.resourceVersion}` : 'it does not exist';
    return new AppError('ABORTED', `${what} is not at resource version ${resourceVersion}: ${found}`, {
      reason: 'STALE',
      metadata: existing ? { resourceVersion: existing.metadata.resourceVersion } : {},
    });
  }
  if (uid !== undefined && uid !== existing?.metadata.uid) {
    const found = existing ? `it is ${existing.metadata.uid}` : 'it does not exist';
    return new AppError('ABORTED', `${what} is not ${uid}: ${found}`, { reason: 'UID_MISMATCH' });
  }
  return undefined;
}

export const notFound = (target: Parameters<typeof describe>[0]): AppError =>
  new AppError('NOT_FOUND', `${describe(target)} does not exist`, { reason: 'NOT_FOUND' });

/** The metadata after an apply: the generation counts changes of the spec only. */
export function nextMetadata(
  intent: { readonly metadata: IntentMetadata; readonly spec: unknown },
  existing: { readonly metadata: Metadata; readonly spec: unknown } | undefined,
  context: { readonly revision: number; newUid(): Uid },
): Metadata {
  const { tenant, name, labels } = intent.metadata;
  const resourceVersion = `${context.revision}`;
  if (!existing) {
    return { tenant, name, uid: context.newUid(), labels, generation: 1, resourceVersion };
  }
  const { uid, generation } = existing.metadata;
  const changed = !equal(existing.spec, intent.spec);
  return { tenant, name, uid, labels, generation: changed ? generation + 1 : generation, resourceVersion };
}

/** The resource as an intent wants it: accepted, with the status that it had. What follows from that comes afterwards. */
export function accepted<Accepted extends AnyResource>(
  { kind, spec }: { readonly kind: KindName; readonly spec: unknown },
  metadata: Metadata,
  status: Status | undefined,
  now: number,
): Accepted {
  const { reasons, emptyStatus } = kindOf({ kind });
  const { generation } = metadata;
  const before = status ?? emptyStatus;
  const valid = { type: 'Accepted', reason: 'Valid', message: 'valid' } as const;
  const conditions = computeConditions(reasons, before.conditions, [valid], generation, now);
  return {
    kind,
    metadata,
    spec,
    status: { ...before, observedGeneration: generation, conditions },
  } as unknown as Accepted;
}

/** Whether the intent says what is already stored. */
export const changesNothing = (
  intent: { readonly metadata: IntentMetadata; readonly spec: unknown },
  existing: { readonly metadata: Metadata; readonly spec: unknown } | undefined,
): boolean =>
  existing !== undefined &&
  equal(existing.metadata.labels, intent.metadata.labels) &&
  equal(existing.spec, intent.spec);
