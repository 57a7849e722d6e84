import { type ConditionUpdateOf, type DpuProblem, updateConditions } from '@outboard/model';
import { appliedSomewhere, problemsOn } from './applied.js';
import type { Draft } from './draft.js';
import type { AddressSetEntry, DpuEntry, PolicyEntry } from './entries.js';
import type { AddressSetRecord, SecurityPolicyRecord } from './records.js';

type PolicyRecord = SecurityPolicyRecord | AddressSetRecord;
type Applied = Extract<ConditionUpdateOf<'SecurityPolicy' | 'AddressSet'>, { type: 'Applied' }>;

/** Writes policies and address sets anew that are others on some DPU by what was decided. */
export function settlePolicies(draft: Draft): void {
  for (const entry of draft.world.policies.takeMoved()) rewritePolicy(draft, entry);
}

/** Writes a policy or an address set anew, if how far DPUs have it is news. */
export function rewritePolicy(draft: Draft, entry: PolicyEntry | AddressSetEntry): void {
  const { context } = draft;
  const { policies } = draft.world;
  const { kind, resource } = entry.record;
  const { metadata, status } = resource;
  const applied = appliedOn(policies.dpusOf(entry), entry.lagging, (key) => policies.ownerOf(key) === entry);
  const { generation } = metadata;
  const conditions = updateConditions(kind, status.conditions, [applied], generation, context.now);
  if (conditions === status.conditions) return;
  draft.put({ kind, resource: { ...resource, status: { ...status, conditions } } } as PolicyRecord);
}

function appliedOn(dpus: ReadonlySet<DpuEntry>, lagging: number, isOwn: (key: string) => boolean): Applied {
  if (dpus.size === 0)
    return { type: 'Applied', reason: 'AppliedAndReadBack', message: 'no DPU is concerned' };
  const problems = problemsOn(dpus, ({ problems: told }) =>
    [...told.values()].filter(({ key }) => isOwn(key)),
  );
  const { reason, message } = appliedSomewhere(lagging, problems);
  const [first] = problems;
  return { type: 'Applied', reason, message: first ? `${message}: ${textOf(first)}` : message };
}

const textOf = ({ object, message }: DpuProblem): string => `${object}: ${message}`;
