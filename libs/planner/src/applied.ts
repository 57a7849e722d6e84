import type { ReportedProblem } from '@outboard/document-owner/documents';
import type { DpuProblem } from '@outboard/model';

import type { DpuEntry } from './entries.js';

/** Problems that a status lists. */
const MAX_PROBLEMS = 10;
/** Next hops and DPUs that a message names. */
const MAX_NAMES = 3;

export function someOf(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more` : names.join(', ');
}

/** What DPUs could not apply of a resource, in the order of their names; work under way is no problem. */
export function problemsOn(
  dpus: Iterable<DpuEntry>,
  problemsOf: (dpu: DpuEntry) => Iterable<ReportedProblem>,
): DpuProblem[] {
  const found: DpuProblem[] = [];
  const troubled = [...dpus].filter(({ problems }) => problems.size > 0);
  troubled.sort((one, other) => (one.record.name < other.record.name ? -1 : 1));
  for (const dpu of troubled) {
    for (const { key, state, message, isUnderWay } of problemsOf(dpu)) {
      if (isUnderWay) continue;
      found.push({ dpu: dpu.record.name, object: key, state, message });
      if (found.length === MAX_PROBLEMS) return found;
    }
  }
  return found;
}

/** How far something is applied that is on so many DPUs, of which some have not confirmed the newest version yet. */
export function appliedCondition(dpus: number, lagging: number, problems: readonly DpuProblem[]) {
  if (dpus === 0) return { type: 'Applied', reason: 'NeverReported', message: '' } as const;
  return appliedSomewhere(lagging, problems);
}

/** The same of what some DPU has. */
export function appliedSomewhere(lagging: number, problems: readonly DpuProblem[]) {
  const type = 'Applied';
  if (problems.length > 0) {
    const names = new Set(problems.map(({ dpu }) => dpu));
    return { type, reason: 'DpuProblems', message: someOf([...names]) } as const;
  }
  return { type, reason: lagging > 0 ? 'Applying' : 'AppliedAndReadBack', message: '' } as const;
}
