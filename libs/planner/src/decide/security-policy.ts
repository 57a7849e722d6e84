import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  type Intent,
  kindOf,
  type SecurityPolicy,
  type SecurityPolicySpec,
  updateConditions,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { PolicyEntry, PortEntry } from '../entries.js';
import { keyOf } from '../records.js';
import { nameKey, type World } from '../world.js';

/** Bounds what a port's own object says, and what each first packet of its connections may have to pass. */
export const MAX_POLICIES_OF_PORT = 256;

export function applySecurityPolicy(
  draft: Draft,
  intent: Intent<'SecurityPolicy', SecurityPolicySpec>,
  existing: PolicyEntry | undefined,
): Result<void, AppError> {
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  checkAddressSets(draft.world, intent, refusal);
  checkPorts(draft.world, intent, existing, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());
  const metadata = nextMetadata(intent, before, draft.context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'SecurityPolicy',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    draft.context.now,
  );
  const status = { observedGeneration: generation, ports: 0, dpus: 0, propagated: undefined, conditions };
  const resource: SecurityPolicy = { kind: 'SecurityPolicy', metadata, spec: intent.spec, status };
  draft.put({ kind: 'SecurityPolicy', resource });
  return ok(undefined);
}

/** Refused while ports name it; those that it selects are told that it does not apply any more. */
export function deleteSecurityPolicy(draft: Draft, { record, namedBy }: PolicyEntry): Result<void, AppError> {
  if (namedBy.size > 0) {
    const users = [...namedBy].map((port) => describe(port.record.resource));
    return err(inUse(describe(record.resource), firstUsers(users), namedBy.size));
  }
  draft.remove(keyOf(record));
  return ok(undefined);
}

function checkAddressSets(
  { policies }: World,
  { kind, metadata, spec }: Intent<'SecurityPolicy', SecurityPolicySpec>,
  refusal: Refusal,
): void {
  for (const { field, name } of kindOf({ kind }).references(spec)) {
    if (policies.addressSets.has(nameKey(metadata.tenant, name))) continue;
    refusal.add(field, `address set ${name} does not exist`, 'NOT_FOUND', 'ADDRESS_SET_NOT_FOUND');
  }
}

function checkPorts(
  { policies }: World,
  { metadata, spec }: Intent<'SecurityPolicy', SecurityPolicySpec>,
  existing: PolicyEntry | undefined,
  refusal: Refusal,
): void {
  if (!spec.portSelector) return;
  const full: PortEntry[] = [];
  for (const port of policies.selectedPorts(metadata.tenant, spec.portSelector)) {
    const isNew = existing === undefined || !port.policies.includes(existing);
    if (isNew && port.policies.length >= MAX_POLICIES_OF_PORT) full.push(port);
  }
  if (full.length === 0) return;
  const names = firstUsers(full.map(({ record }) => describe(record.resource))).join(', ');
  refusal.add(
    'spec.portSelector',
    `selects ports to which ${MAX_POLICIES_OF_PORT} policies apply already: ${names}`,
    'RESOURCE_EXHAUSTED',
    'TOO_MANY_POLICIES',
    { ports: names, total: `${full.length}` },
  );
}
