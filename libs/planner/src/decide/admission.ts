import { err, ok, type Result } from '@outboard/core';
import {
  type AskedSegment,
  type Network,
  type NetworkType,
  rangeText,
  type SegmentRange,
} from '@outboard/model';
import type { Refusal } from '@outboard/model/decide';
import type { PolicyInForce } from '../encapsulation-policies.js';

/** Why a policy does not allow what a network asks for. */
export interface Inadmissible {
  readonly field: string;
  readonly description: string;
  /** Identifiers that could be asked for, where it is about these. */
  readonly range: string | undefined;
}

/** Where the segment of a network that asks for this may come from, in order; or why it cannot have it. */
export function admit(
  { defaultSegment, allowed }: PolicyInForce,
  { networkType, segmentationId: id, physicalNetwork }: AskedSegment,
): Result<readonly SegmentRange[], Inadmissible> {
  if (networkType === undefined && id === undefined) return ok([defaultSegment]);
  const type = networkType ?? defaultSegment.networkType;
  const known = [defaultSegment, ...allowed].filter((range) => range.networkType === type);
  if (known.length === 0) {
    return inadmissible('networkType', `must be ${oneOf(typesOf([defaultSegment, ...allowed]))}`);
  }
  const there = known.filter((range) => (physicalNetwork ?? range.physicalNetwork) === range.physicalNetwork);
  if (there.length === 0) {
    const names = new Set(known.map((range) => `${range.physicalNetwork}`));
    return inadmissible('physicalNetwork', `must be ${oneOf([...names])}`);
  }
  if (id === undefined) return ok(there);
  // Which identifier the default takes is the system's business.
  const choosable = there.filter((range) => allowed.includes(range));
  const within = choosable.filter(({ minimum, maximum }) => minimum <= id && id <= maximum);
  if (within.length > 0) return ok(within);
  if (choosable.length === 0) {
    return inadmissible('segmentationId', `must be absent: the system chooses the identifiers of ${type}`);
  }
  const ranges = choosable.map(rangeText).join(', ');
  return inadmissible('segmentationId', `must be ${choosable.map(placeText).join(' or ')}`, ranges);
}

/** What a network that has a segment asks for: an identifier without a type is of the type that it has. */
export function askOf({ spec, status }: Pick<Network, 'spec' | 'status'>): AskedSegment {
  const { networkType = status.segment?.networkType, segmentationId } = spec.segment;
  return segmentationId === undefined ? spec.segment : { ...spec.segment, networkType };
}

export function refuseInadmissible(
  { field, description, range }: Inadmissible,
  { name = 'built-in' }: PolicyInForce,
  refusal: Refusal,
): void {
  const metadata = { policy: name, ...(range !== undefined && { range }) };
  refusal.add(field, description, 'INVALID_ARGUMENT', 'SEGMENT_OUTSIDE_POLICY', metadata);
}

const inadmissible = (
  name: keyof AskedSegment,
  description: string,
  range?: string,
): Result<never, Inadmissible> => err({ field: `spec.segment.${name}`, description, range });

/** A range of identifiers, and where: `100-199 on physnet1`. */
export const placeText = ({ physicalNetwork, ...range }: SegmentRange): string =>
  physicalNetwork === undefined ? rangeText(range) : `${rangeText(range)} on ${physicalNetwork}`;

const typesOf = (ranges: readonly SegmentRange[]): NetworkType[] => [
  ...new Set(ranges.map(({ networkType }) => networkType)),
];

const oneOf = (texts: readonly string[]): string =>
  texts.length === 1 ? `${texts[0]}` : `one of ${texts.join(', ')}`;
