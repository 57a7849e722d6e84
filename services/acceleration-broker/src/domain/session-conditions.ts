import { type ConditionUpdateOf, findCondition, updateConditions } from '@outboard/model';
import type { DomainContext } from '@outboard/resource-service';
import { sessionObjectKey } from './objects.js';
import type { NoPlace, Place } from './placement.js';
import type { SessionRecord } from './records.js';
import type { World } from './world.js';

type Update = ConditionUpdateOf<'AccelerationSession'>;

/** Why a session has ended that nobody has deleted. */
export interface EndCause {
  readonly reason: 'PortDeleted' | 'TtlOver' | 'LeaseOver';
  readonly message: string;
}

/** What is stored obeys every rule. */
export const ACCEPTED: Update = { type: 'Accepted', reason: 'Valid', message: 'valid' };

/** Where a session stands on its way to a place. */
export function plannedUpdate(found: {
  readonly stranger: string | undefined;
  readonly tokenSha256: string | undefined;
  readonly problems: readonly string[];
  readonly awaited: string | undefined;
  readonly refusal: Pick<NoPlace, 'reason' | 'message'> | undefined;
  readonly place: Place | undefined;
  readonly isPlaced: boolean;
}): Update {
  const planned = (reason: Extract<Update, { type: 'Planned' }>['reason'], message: string): Update => ({
    type: 'Planned',
    reason,
    message,
  });
  if (found.stranger !== undefined) return planned('HolderMismatch', found.stranger);
  if (found.problems.length > 0) return planned('KeyMissing', found.problems.slice(0, 3).join('; '));
  if (found.awaited !== undefined) return planned('PortNotPlaced', found.awaited);
  if (found.place === undefined) {
    const { reason = 'Unsupported', message = '' } = found.refusal ?? {};
    return planned(reason, found.isPlaced ? `${message}; nowhere else it fits` : message);
  }
  if (found.tokenSha256 === undefined) return planned('NoToken', 'nobody has a token for it yet');
  return planned('Placed', `on ${found.place.dpu.name}`);
}

/**
 * What its DPU makes of a session.
 *
 * @param moved whence and why it has moved just now.
 */
export function appliedUpdate(world: World, record: SessionRecord, moved: string | undefined): Update {
  const applied = (reason: Extract<Update, { type: 'Applied' }>['reason'], message: string): Update => ({
    type: 'Applied',
    reason,
    message,
  });
  const { metadata, status } = record.resource;
  const { dpu } = status;
  const before = findCondition(status.conditions, 'Applied');
  const movedBefore = before?.reason === 'Moved' ? before.message : undefined;
  if (record.leaving) {
    const { dpu: former } = record.leaving;
    const when = `when ${former ?? 'whoever had it before the database was restored'} has let it go`;
    return applied('Moved', moved ? `${moved}, ${when}` : (movedBefore ?? `to ${dpu}, ${when}`));
  }
  if (dpu === undefined || !world.hasObject(dpu, sessionObjectKey(metadata.uid))) {
    return applied('NotPlanned', 'nothing is asked of a DPU');
  }
  if (moved !== undefined) return applied('Moved', moved);
  const state = world.confirmations.stateOf(dpu, sessionObjectKey(metadata.uid));
  switch (state.state) {
    case 'APPLIED':
      return applied('Serving', `${dpu} serves it`);
    case 'APPLYING': {
      if (movedBefore !== undefined) return applied('Moved', movedBefore);
      return applied('Applying', `${dpu} has not applied it yet`);
    }
    case 'PENDING':
      return state.isUnderWay ? applied('Applying', state.message) : applied('Blocked', state.message);
    default:
      return applied('Failed', state.message);
  }
}

/** A session as it was last, with why it is no more. */
export function endedBy(
  record: SessionRecord,
  { reason, message }: EndCause,
  { now }: DomainContext,
): SessionRecord {
  const { metadata, status } = record.resource;
  const updates: Update[] = [
    { type: 'Planned', reason, message },
    { type: 'Applied', reason: 'NotPlanned', message: 'nothing is asked of a DPU' },
  ];
  const conditions = updateConditions(
    'AccelerationSession',
    status.conditions,
    updates,
    metadata.generation,
    now,
  );
  return { ...record, resource: { ...record.resource, status: { ...status, conditions } } };
}
