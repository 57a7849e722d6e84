import { AccelerationObjectSchema } from '@outboard/contracts';
import { type DocumentDifference, showDifferences } from '@outboard/document-owner/documents';
import { type NoPlace, nearest, type Place, ranked } from './placement.js';
import type { SessionRecord } from './records.js';
import { keyOf } from './records.js';
import { placesFor } from './settle-session.js';
import type { RecordChange, World } from './world.js';

/** DPUs that are listed; all are counted. */
const MAX_LISTED = 100;

/** What a command would do, as JSON: rows, documents, and of a session whether it would fit, and where. */
export function planText(
  changes: readonly RecordChange[],
  differences: readonly DocumentDifference[],
  placement: object | undefined,
): unknown {
  const changed = changes.flatMap(({ before, after }) => {
    const record = after ?? before;
    return record ? [Object.values(keyOf(record)).join('/')] : [];
  });
  const documents = showDifferences(differences, AccelerationObjectSchema);
  return { changed, documents, ...(placement && { placement }) };
}

/** Every place that a session could have, the best first, and why the other DPUs are none. */
export function placementText(world: World, session: SessionRecord): object {
  const { places, refusals } = placesFor(world, session);
  const { status } = session.resource;
  return {
    fits: places.length > 0,
    dpu: status.dpu ?? '',
    epoch: status.epoch,
    places: ranked(places).slice(0, MAX_LISTED).map(placeText),
    placeTotal: places.length,
    refusals: refusals.slice(0, MAX_LISTED).map(refusalText),
    refusalTotal: refusals.length,
    reason: nearest(refusals)?.message ?? '',
  };
}

const placeText = ({ dpu, distance, offload, expectedMegabytesPerSecond, programs }: Place) => ({
  dpu: dpu.name,
  locality: ['DPU', 'HOST', 'ANY'][distance],
  offload: offload.granted,
  reason: offload.reason,
  expectedMegabytesPerSecond,
  programs,
});

const refusalText = ({ dpu, reason, message }: NoPlace) => ({ dpu: dpu.name, reason, message });
