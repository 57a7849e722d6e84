import { AppError, equal } from '@outboard/core';
import type { IntentMetadata, Metadata } from '../resource.js';
import type { Uid } from '../values.js';
import { describe } from './refusal.js';

/** `create`: must not exist yet; `update`: must exist; undefined: either. */
export type Existence = 'create' | 'update' | undefined;

interface Target {
  readonly kind: string;
  readonly metadata: Pick<IntentMetadata, 'tenant' | 'name' | 'uid' | 'resourceVersion'>;
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

/** Whether the intent says what is already stored. */
export const changesNothing = (
  intent: { readonly metadata: IntentMetadata; readonly spec: unknown },
  existing: { readonly metadata: Metadata; readonly spec: unknown } | undefined,
): boolean =>
  existing !== undefined &&
  equal(existing.metadata.labels, intent.metadata.labels) &&
  equal(existing.spec, intent.spec);
