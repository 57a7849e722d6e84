import type { AskedSegment, Segment, SegmentationId, SegmentRange, VlanRange } from '@outboard/model';
import { describe, type Refusal } from '@outboard/model/decide';
import { segmentationIdOf } from '../allocate/segments.js';
import type { World } from '../world.js';
import { admit, placeText, refuseInadmissible } from './admission.js';

/** Whether the policy in force allows what a network of the tenant asks for. */
export function checkAdmission(world: World, tenant: string, asked: AskedSegment, refusal: Refusal): void {
  const policy = world.encapsulationPolicies.inForceFor(tenant);
  const admission = admit(policy, asked);
  if (!admission.ok) refuseInadmissible(admission.error, policy, refusal);
}

/** The segment of a new network, or problems. Nothing is taken yet. */
export function chooseSegment(
  world: World,
  tenant: string,
  asked: AskedSegment,
  refusal: Refusal,
): Segment | undefined {
  const policy = world.encapsulationPolicies.inForceFor(tenant);
  const admission = admit(policy, asked);
  if (!admission.ok) {
    refuseInadmissible(admission.error, policy, refusal);
    return undefined;
  }
  const ranges = admission.value;
  const isNamed =
    asked.segmentationId !== undefined || ranges.every(({ networkType }) => networkType === 'FLAT');
  return isNamed
    ? namedSegment(world, ranges, asked.segmentationId, refusal)
    : lowestSegment(world, ranges, refusal);
}

/** The segment with that identifier, or the FLAT one, of the first physical network where nobody has it. */
function namedSegment(
  world: World,
  ranges: readonly SegmentRange[],
  segmentationId: SegmentationId | undefined,
  refusal: Refusal,
): Segment | undefined {
  const carried = ranges.filter((range) => carries(world, range, segmentationId));
  const [first] = ranges;
  if (carried.length === 0 && first) {
    const limits = vlanRangesOf(world, first).map(({ minimum, maximum }) => `${minimum}-${maximum}`);
    const name = first.physicalNetwork ?? '';
    refusal.add(
      'spec.segment.segmentationId',
      `must be of the VLANs that ${name} carries: ${limits.join(', ') || 'none'}`,
      'INVALID_ARGUMENT',
      'SEGMENT_OUTSIDE_PHYSICAL_NETWORK',
      { physicalNetwork: name, range: limits.join(', ') },
    );
    return undefined;
  }
  const segments = carried.map(({ networkType, physicalNetwork }) => ({
    networkType,
    segmentationId,
    physicalNetwork,
  }));
  const free = segments.find((segment) => !world.segments.holder(segment));
  if (free) return free;
  const holder = segments[0] && world.segments.holder(segments[0]);
  const name = holder ? describe(holder.record.resource) : '';
  const [field, what] =
    segmentationId === undefined
      ? ['physicalNetwork', `its FLAT network`]
      : ['segmentationId', `${segmentationId}`];
  refusal.add(`spec.segment.${field}`, `${what} is held by ${name}`, 'ALREADY_EXISTS', 'SEGMENT_TAKEN', {
    holder: name,
  });
  return undefined;
}

function lowestSegment(world: World, ranges: readonly SegmentRange[], refusal: Refusal): Segment | undefined {
  for (const range of ranges) {
    for (const part of partsOf(world, range)) {
      const number = world.segments.lowest(part);
      if (number === undefined) continue;
      const { networkType, physicalNetwork } = range;
      return { networkType, segmentationId: segmentationIdOf(number), physicalNetwork };
    }
  }
  const text = ranges.map(placeText).join(', ');
  refusal.add(
    'spec.segment.segmentationId',
    `no identifier of ${text} is free`,
    'RESOURCE_EXHAUSTED',
    'SEGMENTS_EXHAUSTED',
    { range: text },
  );
  return undefined;
}

const vlanRangesOf = (world: World, { physicalNetwork }: SegmentRange): readonly VlanRange[] =>
  world.physicalNetworks.get(physicalNetwork ?? '')?.record.resource.spec.vlanRanges ?? [];

function carries(world: World, range: SegmentRange, id: number | undefined): boolean {
  if (range.networkType !== 'VLAN' || id === undefined) return true;
  return vlanRangesOf(world, range).some(({ minimum, maximum }) => minimum <= id && id <= maximum);
}

/** The parts of a range that its physical network carries. */
function partsOf(world: World, range: SegmentRange): readonly SegmentRange[] {
  if (range.networkType !== 'VLAN') return [range];
  return vlanRangesOf(world, range).flatMap(({ minimum, maximum }) => {
    const first = Math.max(range.minimum, minimum);
    const last = Math.min(range.maximum, maximum);
    return first > last
      ? []
      : [{ ...range, minimum: first as SegmentationId, maximum: last as SegmentationId }];
  });
}
