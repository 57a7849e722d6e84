import { create } from '@bufbuild/protobuf';
import {
  type NetworkSpec as NetworkSpecMessage,
  NetworkSpecSchema,
  type Segment as SegmentMessage,
  SegmentSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional } from '../../fields.js';
import { type Name, parseMtu, parseName, parseSegmentationId } from '../../values.js';
import { isPhysical, segmentationIds } from './segment.js';
import { type AskedSegment, NETWORK_TYPES, type Network, type NetworkSpec } from './spec.js';

/** The router of networks that name none: the tenant's. */
export const DEFAULT_ROUTER = 'default' as Name;

export const parseNetworkType = oneOf(NETWORK_TYPES);

export function parseNetworkSpec(
  message: NetworkSpecMessage = create(NetworkSpecSchema),
  problems: Problems,
): NetworkSpec {
  const { router, segment, mtu } = message;
  return {
    router: optional(problems, 'spec.router', router, parseName) ?? DEFAULT_ROUTER,
    segment: parseAskedSegment(segment, problems),
    mtu: optional(problems, 'spec.mtu', mtu, parseMtu),
  };
}

function parseAskedSegment(
  message: SegmentMessage = create(SegmentSchema),
  problems: Problems,
): AskedSegment {
  const field = 'spec.segment';
  const networkType = optional(problems, `${field}.networkType`, message.networkType, parseNetworkType);
  const asked = {
    networkType,
    segmentationId: optional(
      problems,
      `${field}.segmentationId`,
      message.segmentationId,
      parseSegmentationId(segmentationIds(networkType === 'VLAN' ? 'VLAN' : 'VXLAN').last),
    ),
    physicalNetwork: optional(problems, `${field}.physicalNetwork`, message.physicalNetwork, parseName),
  };
  if (networkType === 'FLAT' && message.segmentationId !== 0) {
    problems.add(`${field}.segmentationId`, 'must be absent: frames of a FLAT network bear no identifier');
  }
  if (message.physicalNetwork !== '' && (networkType === undefined || !isPhysical(networkType))) {
    problems.add(`${field}.physicalNetwork`, 'must be absent unless networkType is VLAN or FLAT');
  }
  return asked;
}

/** A segment that was allocated stays: packets of ports carry it. */
export function checkNetworkUpdate(before: Network, after: NetworkSpec, problems: Problems): void {
  const allocated = before.status.segment;
  if (allocated === undefined) return;
  for (const name of ['networkType', 'segmentationId', 'physicalNetwork'] as const) {
    const asked = after.segment[name];
    if (asked === undefined || asked === allocated[name]) continue;
    const must =
      allocated[name] === undefined ? 'be absent' : `be ${allocated[name]}, as allocated, or absent`;
    problems.add(`spec.segment.${name}`, `must ${must}`);
  }
}
