import { hostRange, type IpAddress, type IpRange, ipFamily, ipFromNumber, ipToNumber } from '../../ip.js';
import type { AllocationRange, SubnetSpec } from './spec.js';

/** The addresses of a range as numbers. */
export const allocationRange = ({ start, end }: AllocationRange): IpRange => ({
  family: ipFamily(start),
  first: ipToNumber(start),
  last: ipToNumber(end),
});

/** The gateway of a subnet: the stated one, or the first host address. */
export function gatewayOf({ cidr, gateway }: Pick<SubnetSpec, 'cidr' | 'gateway'>): IpAddress {
  const { family, first } = hostRange(cidr);
  return gateway ?? ipFromNumber(family, first);
}

/** Addresses of which no port gets one. */
export const excludedRanges = (spec: Pick<SubnetSpec, 'excludedRanges'>): readonly IpRange[] =>
  spec.excludedRanges.map(allocationRange);

/** Where addresses of a subnet are allocated from, in order; the gateway among them is to be skipped. */
export function allocatableRanges(
  spec: Pick<SubnetSpec, 'cidr' | 'allocationRanges' | 'excludedRanges'>,
): readonly IpRange[] {
  const ranges =
    spec.allocationRanges.length === 0 ? [hostRange(spec.cidr)] : spec.allocationRanges.map(allocationRange);
  return excludedRanges(spec).reduce(without, ranges);
}

/** What is left of ranges without one. */
const without = (ranges: readonly IpRange[], hole: IpRange): readonly IpRange[] =>
  ranges.flatMap((range) => {
    const { family, first, last } = range;
    const before = { family, first, last: hole.first - 1n < last ? hole.first - 1n : last };
    const after = { family, first: hole.last + 1n > first ? hole.last + 1n : first, last };
    return [before, after].filter((part) => part.first <= part.last);
  });
