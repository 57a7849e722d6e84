import { DataplaneObjectSchema } from '@outboard/contracts';
import { showDifferences } from '@outboard/document-owner/documents';
import { type DryRun, keyOf, type ReachabilityDifference } from '@outboard/planner';

/** What a command would do, as JSON: rows, objects of every DPU before and after, flows that begin or stop. */
export function planText(
  { decision, differences }: Pick<DryRun, 'decision' | 'differences'>,
  reachability: ReachabilityDifference | undefined,
): unknown {
  const changed = decision.changes.flatMap(({ before, after }) => {
    const record = after ?? before;
    return record ? [Object.values(keyOf(record)).join('/')] : [];
  });
  const documents = showDifferences(differences, DataplaneObjectSchema);
  const { flows, total: flowTotal } = reachability ?? {};
  return { changed, documents, ...(flows && { flows, flowTotal }) };
}
