import { toJson } from '@bufbuild/protobuf';
import { DataplaneObjectSchema, decodeBinary } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { type DryRun, keyOf, type ReachabilityDifference } from '@outboard/planner';

/** Characters of objects that one answer shows; the keys of the others are still told. */
const MAX_SHOWN = 96 * 1024;

/** What a command would do, as JSON: rows, objects of every DPU before and after, flows that begin or stop. */
export function planText(
  { decision, differences }: Pick<DryRun, 'decision' | 'differences'>,
  reachability: ReachabilityDifference | undefined,
): unknown {
  let shown = 0;
  const show = (key: string, before: Uint8Array | undefined, after: Uint8Array | undefined) => {
    const object = {
      key,
      ...(before && { before: readable(before) }),
      ...(after && { after: readable(after) }),
    };
    shown += JSON.stringify(object).length;
    return object;
  };
  const documents = differences
    .filter(({ objects }) => objects.length > 0)
    .map(({ dpu, objects }) => ({
      dpu,
      upserts: objects.filter(({ after }) => after).map(({ key }) => key),
      deletes: objects.filter(({ after }) => !after).map(({ key }) => key),
      objects: objects.flatMap(({ key, before, after }) =>
        shown > MAX_SHOWN ? [] : [show(key, before, after)],
      ),
    }));
  const changed = decision.changes.flatMap(({ before, after }) => {
    const record = after ?? before;
    return record ? [Object.values(keyOf(record)).join('/')] : [];
  });
  const { flows, total: flowTotal } = reachability ?? {};
  return { changed, documents, ...(flows && { flows, flowTotal }) };
}

/** A neutral object as JSON of its message. */
const readable = (object: Uint8Array) =>
  toJson(DataplaneObjectSchema, unwrap(decodeBinary(DataplaneObjectSchema, object)));
