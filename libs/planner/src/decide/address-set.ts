import { type AppError, err, ok, type Result } from '@outboard/core';
import { type AddressSetSpec, checkUpdate, type Intent, updateConditions } from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { AddressSetEntry } from '../entries.js';
import { keyOf } from '../records.js';

export function applyAddressSet(
  draft: Draft,
  intent: Intent<'AddressSet', AddressSetSpec>,
  existing: AddressSetEntry | undefined,
): Result<void, AppError> {
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  if (!refusal.isEmpty) return err(refusal.toError());
  const metadata = nextMetadata(intent, before, draft.context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'AddressSet',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    draft.context.now,
  );
  const status = { observedGeneration: generation, policies: 0, propagated: undefined, conditions };
  draft.put({ kind: 'AddressSet', resource: { kind: 'AddressSet', metadata, spec: intent.spec, status } });
  return ok(undefined);
}

/** Refused while policies use it. */
export function deleteAddressSet(
  draft: Draft,
  { record, policies }: AddressSetEntry,
): Result<void, AppError> {
  if (policies.size > 0) {
    const users = [...policies].map((policy) => describe(policy.record.resource));
    return err(inUse(describe(record.resource), firstUsers(users), policies.size));
  }
  draft.remove(keyOf(record));
  return ok(undefined);
}
