import type { DiscoveredFunction } from '@outboard/dataplane';

/** Functions by the numbers that tell them apart. */
export type FunctionsByNumber = ReadonlyMap<string, DiscoveredFunction>;

export interface FunctionChanges {
  /** That have come, or are otherwise than they were. */
  readonly changed: readonly DiscoveredFunction[];
  readonly gone: readonly DiscoveredFunction[];
}

/** Undefined: two have the same numbers, of which only one could be told. */
export function byNumber(functions: readonly DiscoveredFunction[]): FunctionsByNumber | undefined {
  const found = new Map(functions.map((each) => [numbersOf(each), each]));
  return found.size === functions.length ? found : undefined;
}

/** What makes the functions before those after. */
export function changesOf(before: FunctionsByNumber, after: FunctionsByNumber): FunctionChanges {
  const changed: DiscoveredFunction[] = [];
  for (const [numbers, each] of after) if (!isSame(before.get(numbers), each)) changed.push(each);
  const gone: DiscoveredFunction[] = [];
  for (const [numbers, each] of before) if (!after.has(numbers)) gone.push(each);
  return { changed, gone };
}

const numbersOf = ({ controller, pfNumber, vfNumber, sfNumber }: DiscoveredFunction): string =>
  `${controller} ${pfNumber} ${vfNumber ?? ''} ${sfNumber ?? ''}`;

/** Drivers give those that did not change as the same objects, as far as they can. */
function isSame(before: DiscoveredFunction | undefined, after: DiscoveredFunction): boolean {
  if (before === after) return true;
  if (before === undefined) return false;
  const fields = Object.keys(after) as (keyof DiscoveredFunction)[];
  return (
    fields.length === Object.keys(before).length && fields.every((field) => before[field] === after[field])
  );
}
