import {
  DEFAULT_ACCELERATION_QUOTA,
  effectivePolicy,
  type IntentOf,
  inFlightMebibytes,
  type SessionPolicy,
  SYSTEM_TENANT,
} from '@outboard/model';
import type { Refusal } from '@outboard/model/decide';
import { nameKey, type SessionRecord } from './records.js';
import type { World } from './world.js';

/** Refuses what would be more than the tenant may have, and more than it has. */
export function checkSessionQuota(
  world: World,
  tenant: string,
  before: SessionRecord | undefined,
  policy: SessionPolicy,
  refusal: Refusal,
): void {
  const used = world.indexes.usage(tenant);
  const most = quotaOf(world, tenant);
  const former = before?.resource.status.policy;
  check(refusal, 'sessions', used.sessions, before ? 0 : 1, most.maxSessions);
  check(refusal, 'weight', used.weight, policy.weight - (former?.weight ?? 0), most.maxWeight);
  const more = inFlightMebibytes(policy) - (former ? inFlightMebibytes(former) : 0);
  check(refusal, 'MiB in flight', used.inFlightMebibytes, more, most.maxInFlightMebibytes);
}

/** A profile is as much as its sessions have by it. */
export function checkProfileQuota(
  world: World,
  tenant: string,
  { metadata, spec }: IntentOf<'AccelerationProfile'>,
  refusal: Refusal,
): void {
  let weight = 0;
  let mebibytes = 0;
  for (const key of world.indexes.sessionsByProfile.of(nameKey(tenant, metadata.name))) {
    const session = world.at('AccelerationSession', key)?.resource;
    if (!session) continue;
    const policy = effectivePolicy(session.spec.policy, spec.policy);
    const former = session.status.policy;
    weight += policy.weight - (former?.weight ?? 0);
    mebibytes += inFlightMebibytes(policy) - (former ? inFlightMebibytes(former) : 0);
  }
  const used = world.indexes.usage(tenant);
  const most = quotaOf(world, tenant);
  check(refusal, 'weight', used.weight, weight, most.maxWeight);
  check(refusal, 'MiB in flight', used.inFlightMebibytes, mebibytes, most.maxInFlightMebibytes);
}

export const checkKeyQuota = (world: World, tenant: string, refusal: Refusal): void =>
  check(refusal, 'keys', world.indexes.usage(tenant).keys, 1, quotaOf(world, tenant).maxKeys);

const quotaOf = (world: World, tenant: string) =>
  world.get('AccelerationQuota', SYSTEM_TENANT, tenant)?.resource.spec ?? DEFAULT_ACCELERATION_QUOTA;

function check(refusal: Refusal, what: string, used: number, more: number, most: number): void {
  if (more <= 0 || used + more <= most) return;
  const text = `the tenant may have ${most} ${what}; it has ${used}, and this would be ${more} more`;
  refusal.add('spec', text, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED', {
    limit: `${most}`,
    used: `${used}`,
    asked: `${more}`,
  });
}
