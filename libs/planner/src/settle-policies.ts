import { type ConditionUpdateOf, type DpuProblem, updateConditions } from '@outboard/model';
import { appliedSomewhere, problemsOn } from './applied.js';
import type { Draft } from './draft.js';
import type { AddressSetEntry, DpuEntry, PolicyEntry } from './entries.js';
import type { AddressSetRecord, SecurityPolicyRecord } from './records.js';
import type { World } from './world.js';

type PolicyRecord = SecurityPolicyRecord | AddressSetRecord;
type Applied = Extract<ConditionUpdateOf<'SecurityPolicy' | 'AddressSet'>, { type: 'Applied' }>;

/** Writes policies and address sets anew that are others on some DPU by what was decided. */
export function settlePolicies(draft: Draft): void {
  for (const entry of draft.world.policies.takeMoved()) rewritePolicy(draft, entry);
}

/** Writes a policy or an address set anew, if how far DPUs have it is news. */
export function rewritePolicy(draft: Draft, entry: PolicyEntry | AddressSetEntry): void {
  const { world, context } = draft;
  const { kind, resource } = entry.record;
  const { metadata, status } = resource;
  const applied = appliedOn(dpusOf(world, entry), entry.lagging, (key) => entryOf(world, key) === entry);
  const { generation } = metadata;
  const conditions = updateConditions(kind, status.conditions, [applied], generation, context.now);
  if (conditions === status.conditions) return;
  draft.put({ kind, resource: { ...resource, status: { ...status, conditions } } } as PolicyRecord);
}

/** The DPUs that have a policy, or an address set because of one. */
export const dpusOf = (world: World, entry: PolicyEntry | AddressSetEntry): ReadonlySet<DpuEntry> =>
  'places' in entry
    ? new Set([...entry.places.values()].map(({ dpu }) => dpu))
    : world.policies.dpusOf(entry);

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

/** The policy or address set that an object of a document is of, by its key. */
export function entryOf(world: World, key: string): PolicyEntry | AddressSetEntry | undefined {
  const [kind, first = '', , third = ''] = key.split('/');
  switch (kind) {
    case 'ruleset':
      return world.policies.byUid(first);
    case 'addressgroup':
    case 'addressgroupmember':
      return world.policies.setByUid(third);
    default:
      return undefined;
  }
}
