import type { DriverObject, Spec } from '../driver.js';
import { type Entry, eachNeed, type Tracker } from './entry.js';
import type { Wants } from './wants.js';

/** What has to be there first, and is not. */
export function missingFor<S extends Spec>(
  tracker: Tracker<S>,
  { after, requires }: DriverObject<S>,
): string | undefined {
  for (const key of requires ?? []) {
    const entry = tracker.get(key);
    if (entry === undefined) return key;
    const { observed } = entry;
    if ((observed === undefined || observed.ownership.kind === 'foreign') && !isApplied(entry)) return key;
  }
  for (const key of after) {
    const entry = tracker.get(key);
    if (entry?.wanted === undefined || (entry.pending !== undefined && !isApplied(entry))) return key;
  }
  return undefined;
}

/** What was wanted of it a moment ago, and still is. */
const isApplied = <S extends Spec>({ stage, lane }: Entry<S>): boolean => stage === 'applied' && lane < 0;

/** The wanted objects that cannot be without one of these, or without one that cannot. */
export function dependentsOf<S extends Spec>(
  tracker: Tracker<S>,
  wants: Pick<Wants<S>, 'isNeeded'>,
  lost: readonly string[],
): ReadonlySet<string> {
  const found = new Set<string>();
  let fresh = new Set(lost.filter((key) => wants.isNeeded(key)));
  while (fresh.size > 0) {
    const next = new Set<string>();
    for (const { key, wanted } of tracker.entries()) {
      if (wanted === undefined || found.has(key)) continue;
      eachNeed(wanted, (each) => {
        if (fresh.has(each)) next.add(key);
      });
    }
    for (const key of next) found.add(key);
    fresh = next;
  }
  return found;
}
