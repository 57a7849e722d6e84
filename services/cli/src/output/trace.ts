import { printable } from '../failure.js';
import type { ExplanationJson } from './explanation.js';
import { formatTable } from './table.js';

/** What became of a flow that was sent (outboard.network.v1alpha1.TraceResponse). */
export interface TraceJson {
  readonly answered?: boolean;
  readonly outcome?: string;
  readonly seen?: readonly StationJson[];
}

interface StationJson {
  readonly kind: string;
  readonly name: string;
  readonly dpu: string;
}

/** What was explained of a flow beside what its packets did. */
export interface Comparison {
  /** In the order in which a packet passes them: where it was to be seen, and where it was. */
  readonly stations: readonly {
    readonly dpu: string;
    readonly kind: string;
    readonly expected: boolean;
    readonly seen: boolean;
  }[];
  readonly isAsExplained: boolean;
}

/** Of the way that is explained, what can be seen from outside: bridges and routers have no device of their own to look at. */
const VISIBLE = ['port', 'representor', 'tunnel'];

/**
 * A flow does what is explained of it, if it is answered where it is ALLOWED, and if its packets were seen at every station
 * of the way, and at no other. What leaves the router is translated on its way, and nobody here knows who answers there.
 */
export function compare(
  explanation: ExplanationJson,
  { answered = false, seen = [] }: TraceJson,
): Comparison {
  const expected = (explanation.path ?? [])
    .filter(({ kind }) => VISIBLE.includes(kind))
    .map(({ kind, dpu = '' }) => `${dpu} ${kind}`);
  const observed = seen.map(({ kind, dpu }) => `${dpu} ${kind}`);
  const stations = merge(expected, observed).map(({ text, isExpected, isSeen }) => {
    const [dpu = '', kind = ''] = text.split(' ');
    return { dpu, kind, expected: isExpected, seen: isSeen };
  });
  const leaves = explanation.reason === 'LeavesRouter';
  const isAnswerAsExplained = leaves || answered === (explanation.verdict === 'ALLOWED');
  return {
    stations,
    isAsExplained: isAnswerAsExplained && stations.every((each) => each.expected === each.seen),
  };
}

/** Both lists in one, in their common order; stations may occur twice, as both ends of a flow on one DPU do. */
function merge(expected: readonly string[], observed: readonly string[]) {
  const merged: { text: string; isExpected: boolean; isSeen: boolean }[] = [];
  let next = 0;
  for (const text of expected) {
    const found = observed.indexOf(text, next);
    if (found >= 0) {
      merged.push(
        ...observed.slice(next, found).map((extra) => ({ text: extra, isExpected: false, isSeen: true })),
      );
      next = found + 1;
    }
    merged.push({ text, isExpected: true, isSeen: found >= 0 });
  }
  return [...merged, ...observed.slice(next).map((text) => ({ text, isExpected: false, isSeen: true }))];
}

/** The comparison in lines for people. */
export function formatTrace(
  explanation: ExplanationJson,
  trace: TraceJson,
  { stations, isAsExplained }: Comparison,
): readonly string[] {
  const { verdict, reason, message, source, destination } = explanation;
  const lines = [
    `explained: ${verdict} (${reason})${message ? `: ${message}` : ''}`,
    `observed:  ${trace.answered ? 'answered' : 'not answered'}${trace.outcome ? ` (${trace.outcome})` : ''}`,
  ];
  if (source && destination) lines.push(`  from ${source} to ${destination}`);
  const rows = stations.map(({ dpu, kind, expected, seen }, index) => [
    `  ${index + 1}.`,
    dpu || '-',
    kind,
    expected ? (seen ? 'seen' : 'NOT SEEN') : 'SEEN, not explained',
  ]);
  lines.push(...formatTable(rows), isAsExplained ? 'as explained' : 'NOT as explained');
  return lines.map(printable);
}
