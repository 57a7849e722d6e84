import {
  type IpAddress,
  type IpPrefix,
  ipFamily,
  ipFromNumber,
  prefixCovers,
  prefixLength,
  prefixRange,
} from '@outboard/model';

/** A prefix but for others in it, none of which is in another. */
export interface Region {
  readonly prefix: IpPrefix;
  readonly except: readonly IpPrefix[];
}

/** Whether a prefix is in another one and not all of it. */
export const isInside = (inner: IpPrefix, outer: IpPrefix): boolean =>
  inner !== outer && prefixCovers(outer, inner);

/** The first address of a prefix that none of the others has; undefined: they have all of it. */
export function addressOutside(prefix: IpPrefix, others: Iterable<IpPrefix>): IpAddress | undefined {
  const { family, first, last } = prefixRange(prefix);
  const ranges = [...others]
    .filter((other) => ipFamily(other) === family)
    .map(prefixRange)
    .sort((one, other) => (one.first < other.first ? -1 : 1));
  let free = first;
  for (const range of ranges) {
    if (range.first <= free && free <= range.last) free = range.last + 1n;
  }
  return free <= last ? ipFromNumber(family, free) : undefined;
}

/** What is said of the addresses of a prefix, or of what is left of it; `text` is equal where the same is said. */
export interface Verdict<Value> {
  readonly value: Value;
  readonly text: string;
}

/**
 * What is said of a prefix, in as few regions as differ: `marks` are the prefixes that tell its addresses apart. Of
 * `holes`, prefixes of which others tell, nothing is said, and nothing is shown.
 */
export function regionsOf<Value>(
  prefix: IpPrefix,
  marks: Iterable<IpPrefix>,
  holes: Iterable<IpPrefix>,
  judge: (address: IpAddress) => Verdict<Value>,
): readonly (Region & Verdict<Value>)[] {
  const left = [...holes].filter((hole) => isInside(hole, prefix));
  const cuts = [...new Set(marks)]
    .filter((mark) => isInside(mark, prefix) && !left.some((hole) => hole === mark || isInside(mark, hole)))
    .sort((one, other) => prefixLength(one) - prefixLength(other));
  return divided(prefix, cuts, left, judge);
}

/** `cuts`: inside the prefix, those of fewer bits first. */
function divided<Value>(
  prefix: IpPrefix,
  cuts: readonly IpPrefix[],
  holes: readonly IpPrefix[],
  judge: (address: IpAddress) => Verdict<Value>,
): readonly (Region & Verdict<Value>)[] {
  const children = new Map<IpPrefix, IpPrefix[]>();
  for (const cut of cuts) {
    const parent = [...children.keys()].find((each) => isInside(cut, each));
    if (parent === undefined) children.set(cut, []);
    else children.get(parent)?.push(cut);
  }
  const inner = [...children].map(([child, inside]) => divided(child, inside, holes, judge));
  const address = addressOutside(prefix, [...children.keys(), ...holes]);
  if (address === undefined) return inner.flat();
  const own = judge(address);
  const except: IpPrefix[] = [];
  const others: (Region & Verdict<Value>)[] = [];
  for (const [index, child] of [...children.keys()].entries()) {
    const regions = inner[index] ?? [];
    // What is said of all around it as well is not said of the child again.
    const alike = regions.find((region) => region.prefix === child && region.text === own.text);
    except.push(...(alike?.except ?? [child]));
    others.push(...regions.filter((region) => region !== alike));
  }
  return [{ prefix, except, ...own }, ...others];
}
