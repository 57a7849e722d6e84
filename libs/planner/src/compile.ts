import type { CompiledDocument, DocumentChange, DocumentHead } from '@outboard/document-owner/documents';
import type { Name } from '@outboard/model';

import type { World } from './world.js';

/** Where a DPU's document is, as far as its changes were taken. Sequence 0: there is no such DPU. */
export const documentHead = (world: World, dpu: Name): DocumentHead => world.documents.head(dpu);

/**
 * What has changed in every DPU's document since the last call, to be called once for a group of decisions of one
 * revision, after the last of them and before their commit.
 */
export const takeDocumentChanges = (world: World, revision: number): DocumentChange[] =>
  world.documents.take(revision);

/** The whole document of a DPU, which is the sum of all its changes. Changes must have been taken before. */
export function compileDocument(world: World, dpu: Name): CompiledDocument {
  const entry = world.dpus.get(dpu);
  return world.documents.compile(dpu, entry ? world.objectsOf(entry) : []);
}
