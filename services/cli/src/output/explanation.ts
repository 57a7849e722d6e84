import { printable } from '../failure.js';
import { formatTable } from './table.js';

/** What becomes of a flow (outboard.network.v1alpha1.ExplainResponse). */
export interface ExplanationJson {
  readonly verdict: string;
  readonly reason: string;
  readonly message?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly decidedBy?: readonly {
    readonly direction: string;
    readonly policy: string;
    readonly tier: string;
    readonly rule?: string;
  }[];
  readonly path?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly dpu?: string;
    readonly detail: string;
  }[];
  readonly nextHops?: readonly {
    readonly address: string;
    readonly verdict: string;
    readonly reason: string;
  }[];
  readonly notReady?: readonly string[];
}

/** An explanation in lines for people: the verdict, what decided, the way of a packet. */
export function formatExplanation(explanation: ExplanationJson): readonly string[] {
  const {
    verdict,
    reason,
    message,
    source,
    destination,
    decidedBy = [],
    path = [],
    nextHops = [],
    notReady = [],
  } = explanation;
  const lines = [`${verdict} (${reason})${message ? `: ${message}` : ''}`];
  if (source && destination) lines.push(`  from ${source} to ${destination}`);
  for (const { direction, policy, tier, rule } of decidedBy) {
    const what = rule ? `rule ${rule} of ` : '';
    lines.push(`  ${direction} decided by ${what}securitypolicy/${policy} (${tier})`);
  }
  const hops = path.map(({ dpu, name, detail }, index) => [`  ${index + 1}.`, dpu || '-', name, detail]);
  lines.push(...formatTable(hops));
  for (const { address, verdict: by, reason: why } of nextHops) lines.push(`  by ${address}: ${by} (${why})`);
  if (notReady.length > 0)
    lines.push(`  not ready yet: ${notReady.map((name) => `port/${name}`).join(', ')}`);
  return lines.map(printable);
}
