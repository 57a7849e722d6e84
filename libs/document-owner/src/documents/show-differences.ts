import { type DescMessage, toJson } from '@bufbuild/protobuf';
import { decodeBinary } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { DocumentDifference } from './types.js';

/** Characters of objects that one answer shows; the keys of the others are still told. */
const MAX_SHOWN = 96 * 1024;

/**
 * What would change in the documents, for people and programs: keys, and objects as JSON of their message.
 *
 * @param schema of all objects of the documents' owner.
 */
export function showDifferences(differences: readonly DocumentDifference[], schema: DescMessage) {
  let shown = 0;
  const readable = (object: Uint8Array) => toJson(schema, unwrap(decodeBinary(schema, object)));
  const show = (key: string, before: Uint8Array | undefined, after: Uint8Array | undefined) => {
    const object = {
      key,
      ...(before && { before: readable(before) }),
      ...(after && { after: readable(after) }),
    };
    shown += JSON.stringify(object).length;
    return object;
  };
  return differences
    .filter(({ objects }) => objects.length > 0)
    .map(({ dpu, objects }) => ({
      dpu,
      upserts: objects.filter(({ after }) => after).map(({ key }) => key),
      deletes: objects.filter(({ after }) => !after).map(({ key }) => key),
      objects: objects.flatMap(({ key, before, after }) =>
        shown > MAX_SHOWN ? [] : [show(key, before, after)],
      ),
    }));
}
