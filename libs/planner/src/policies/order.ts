import { type Direction, type SecurityPolicy, TIERS } from '@outboard/model';
import type { PolicyEntry } from '../entries.js';

/** The order in which policies are evaluated: by tier, priority and name. */
export function compareInEvaluation(one: SecurityPolicy, other: SecurityPolicy): number {
  const tiers = TIERS.indexOf(one.spec.tier) - TIERS.indexOf(other.spec.tier);
  if (tiers !== 0) return tiers;
  const priorities = (one.spec.priority ?? 0) - (other.spec.priority ?? 0);
  if (priorities !== 0) return priorities;
  return one.metadata.name < other.metadata.name ? -1 : 1;
}

export const inEvaluationOrder = (policies: Iterable<PolicyEntry>): readonly PolicyEntry[] =>
  [...policies].sort((one, other) => compareInEvaluation(one.record.resource, other.record.resource));

/** Whether one of the policies isolates its ports in that direction. */
export const isolates = (policies: readonly PolicyEntry[], direction: Direction): boolean =>
  policies.some(({ record }) => record.resource.spec.isolates.includes(direction));

/** Whether a port's own object is the same under both versions of a policy that applies to it. */
export const meansTheSameToPorts = (before: SecurityPolicy, after: SecurityPolicy): boolean =>
  before.spec.tier === after.spec.tier &&
  before.spec.priority === after.spec.priority &&
  before.spec.isolates.join() === after.spec.isolates.join();
