import { findCondition, isReady } from '@outboard/model';
import type { RecordChange } from './api.js';

/**
 * What the change of a row means to those who follow the resource: `deleted`; `ready` when it has become so;
 * `notready` when it is so no longer, or is not for another reason than before. Undefined: nothing to tell.
 */
export function transitionOf({ before, after }: RecordChange): 'ready' | 'notready' | 'deleted' | undefined {
  const former = before && 'resource' in before ? before.resource : undefined;
  const resource = after && 'resource' in after ? after.resource : undefined;
  if (!resource) return former && 'deleted';
  const was = former?.status.conditions ?? [];
  const is = resource.status.conditions;
  if (isReady(is)) return isReady(was) ? undefined : 'ready';
  if (!former) return undefined;
  return findCondition(was, 'Ready')?.reason === findCondition(is, 'Ready')?.reason ? undefined : 'notready';
}
