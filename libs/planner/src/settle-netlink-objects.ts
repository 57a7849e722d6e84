import { equal } from '@outboard/core';
import type {
  ConditionUpdateOf,
  Metadata,
  NetlinkObject,
  NetlinkObjectSpec,
  NetlinkObjectStatus,
} from '@outboard/model';
import { updateConditions } from '@outboard/model';
import { appliedCondition, problemsOn } from './applied.js';
import type { Draft } from './draft.js';
import type { NetlinkObjectEntry } from './entries.js';
import { nameKey } from './world.js';

type Update = ConditionUpdateOf<'NetlinkObject'>;

/** Writes objects anew whose place is another by what was decided. */
export function settleNetlinkObjects(draft: Draft): void {
  for (const entry of draft.world.netlinkObjects.takeMoved()) rewriteNetlinkObject(draft, entry);
}

/** Writes an object anew, its status following from the world as it is. */
export function rewriteNetlinkObject(draft: Draft, { record: { resource } }: NetlinkObjectEntry): void {
  const known = find(draft, resource.metadata)?.record.resource;
  if (known) writeNetlinkObject(draft, known.metadata, known.spec, known.status);
}

/** Writes an object, its status following from the world as it is with that spec. */
export function writeNetlinkObject(
  draft: Draft,
  metadata: Metadata,
  spec: NetlinkObjectSpec,
  former: NetlinkObjectStatus | undefined,
): void {
  const write = (problems: NetlinkObjectStatus['problems'], updates: readonly Update[]): void => {
    const { generation: observedGeneration } = metadata;
    const before = former?.conditions ?? [];
    const { now } = draft.context;
    const conditions = updateConditions('NetlinkObject', before, updates, observedGeneration, now);
    const status = { observedGeneration, dpus: 0, problems, conditions };
    const resource: NetlinkObject = { kind: 'NetlinkObject', metadata, spec, status };
    const known = find(draft, metadata)?.record.resource;
    if (known?.metadata === metadata && known.spec === spec && equal(known.status, status)) return;
    draft.put({ kind: 'NetlinkObject', resource });
  };
  // Where it stands with a new spec is known once the world has it.
  if (find(draft, metadata)?.record.resource.spec !== spec) write(former?.problems ?? [], []);
  const entry = find(draft, metadata);
  if (!entry) return;
  const { reason, message, objects } = entry.place;
  const problems = problemsOn(objects.keys(), (dpu) => {
    const problem = dpu.problems.get(objects.get(dpu)?.key ?? '');
    return problem ? [problem] : [];
  });
  write(problems, [
    { type: 'Accepted', reason: 'Valid', message: '' },
    { type: 'Planned', reason, message },
    appliedCondition(objects.size, entry.lagging, problems),
  ]);
}

const find = ({ world }: Draft, { tenant, name }: Metadata): NetlinkObjectEntry | undefined =>
  world.netlinkObjects.get(nameKey(tenant, name));
