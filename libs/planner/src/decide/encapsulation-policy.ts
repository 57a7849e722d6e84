import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  type EncapsulationPolicySpec,
  type Intent,
  kindOf,
  updateConditions,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { PolicyInForce } from '../encapsulation-policies.js';
import { type EncapsulationPolicyRecord, keyOf } from '../records.js';
import type { World } from '../world.js';
import { admit, askOf } from './admission.js';

type PolicyIntent = Intent<'EncapsulationPolicy', EncapsulationPolicySpec>;

/** A policy changes no network that exists; it is refused where it would not allow what one asks for. */
export function applyEncapsulationPolicy(
  draft: Draft,
  intent: PolicyIntent,
  existing: EncapsulationPolicyRecord | undefined,
): Result<void, AppError> {
  const { world, context } = draft;
  const { spec } = intent;
  const refusal = new Refusal();
  const before = existing?.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  else checkConflict(world, spec, refusal);
  checkPhysicalNetworks(world, spec, refusal);
  const stranded = strandedBy(world, spec.tenant, { name: intent.metadata.name, ...spec });
  if (stranded.length > 0) {
    const users = firstUsers(stranded).join(', ');
    refusal.add(
      'spec.allowed',
      `${stranded.length} networks ask for what would not be allowed: ${users}`,
      'FAILED_PRECONDITION',
      'POLICY_IN_USE',
      { total: `${stranded.length}`, users },
    );
  }
  if (!refusal.isEmpty) return err(refusal.toError());

  const metadata = nextMetadata(intent, before, context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'EncapsulationPolicy',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    context.now,
  );
  const kind = 'EncapsulationPolicy';
  const status = { observedGeneration: generation, conditions };
  draft.put({ kind, resource: { kind, metadata, spec, status } });
  return ok(undefined);
}

/** Refused where the rules that are in force then would not allow what a network asks for. */
export function deleteEncapsulationPolicy(
  draft: Draft,
  record: EncapsulationPolicyRecord,
): Result<void, AppError> {
  const { world } = draft;
  const { tenant } = record.resource.spec;
  const stranded = strandedBy(world, tenant, world.encapsulationPolicies.inForceWithout(tenant));
  if (stranded.length > 0) {
    return err(inUse(describe(record.resource), firstUsers(stranded), stranded.length));
  }
  draft.remove(keyOf(record));
  return ok(undefined);
}

function checkConflict(world: World, { tenant }: EncapsulationPolicySpec, refusal: Refusal): void {
  const other = world.encapsulationPolicies.of(tenant);
  if (!other) return;
  const holder = describe(other.resource);
  const whose = tenant === undefined ? 'for all tenants' : `of ${tenant}`;
  refusal.add('spec.tenant', `the policy ${whose} is ${holder}`, 'ALREADY_EXISTS', 'POLICY_EXISTS', {
    holder,
  });
}

function checkPhysicalNetworks(world: World, spec: EncapsulationPolicySpec, refusal: Refusal): void {
  for (const { field, name } of kindOf({ kind: 'EncapsulationPolicy' }).references(spec)) {
    if (world.physicalNetworks.get(name)) continue;
    const description = `physical network ${name} does not exist`;
    refusal.add(field, description, 'NOT_FOUND', 'PHYSICAL_NETWORK_NOT_FOUND');
  }
}

/** The networks of that tenant (undefined: of all without a policy of their own) that ask for what the rules forbid. */
function strandedBy(
  { networks, encapsulationPolicies: policies }: World,
  tenant: string | undefined,
  rules: PolicyInForce,
): string[] {
  const stranded: string[] = [];
  for (const { record } of networks.values()) {
    const { metadata } = record.resource;
    const concerned = tenant === undefined ? !policies.of(metadata.tenant) : metadata.tenant === tenant;
    if (concerned && !admit(rules, askOf(record.resource)).ok) stranded.push(describe(record.resource));
  }
  return stranded;
}
