import {
  DEFAULT_ACCELERATION_QUOTA,
  inFlightMebibytes,
  type SessionPolicy,
  SYSTEM_TENANT,
} from '@outboard/model';
import type { Refusal } from '@outboard/model/decide';
import type { SessionRecord } from './records.js';
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
