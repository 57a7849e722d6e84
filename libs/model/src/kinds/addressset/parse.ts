import { create } from '@bufbuild/protobuf';
import { type AddressSetSpec as AddressSetSpecMessage, AddressSetSpecSchema } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, required } from '../../fields.js';
import { type IpPrefix, type IpRange, parseAddressOrPrefix, prefixRange } from '../../ip.js';
import type { AddressSetSpec } from './spec.js';

export const MAX_SET_ADDRESSES = 1024;

export function parseAddressSetSpec(
  message: AddressSetSpecMessage = create(AddressSetSpecSchema),
  problems: Problems,
): AddressSetSpec | undefined {
  const field = 'spec.addresses';
  if (!atMost(problems, field, message.addresses, MAX_SET_ADDRESSES)) return undefined;
  const parsed = message.addresses.map((text, index) =>
    required(problems, `${field}[${index}]`, text, parseAddressOrPrefix),
  );
  checkOverlaps(parsed, field, problems);
  const addresses = all(parsed);
  return addresses && { addresses };
}

/** Tells of every prefix that overlaps one which begins before it; prefixes overlap only by containing one another. */
function checkOverlaps(prefixes: readonly (IpPrefix | undefined)[], field: string, problems: Problems): void {
  const ranges = prefixes
    .flatMap((prefix, index) => (prefix ? [{ index, ...prefixRange(prefix) }] : []))
    .sort(byFamilyAndBeginning);
  let widest: (IpRange & { readonly index: number }) | undefined;
  for (const range of ranges) {
    if (widest !== undefined && widest.family === range.family && range.first <= widest.last) {
      const [earlier, later] = [widest.index, range.index].sort((one, other) => one - other);
      problems.add(`${field}[${later}]`, `must not overlap ${field}[${earlier}]`);
    } else widest = range;
  }
}

function byFamilyAndBeginning(one: IpRange, other: IpRange): number {
  if (one.family !== other.family) return one.family - other.family;
  if (one.first !== other.first) return one.first < other.first ? -1 : 1;
  return one.last > other.last ? -1 : 1;
}
