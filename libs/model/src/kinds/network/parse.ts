import { create } from '@bufbuild/protobuf';
import { type NetworkSpec as NetworkSpecMessage, NetworkSpecSchema } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { oneOf, optional } from '../../fields.js';
import { type Name, parseMtu, parseName, parseVni } from '../../values.js';
import { NETWORK_TYPES, type Network, type NetworkSpec } from './spec.js';

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
    segment: {
      networkType: optional(
        problems,
        'spec.segment.networkType',
        segment?.networkType ?? '',
        parseNetworkType,
      ),
      segmentationId: optional(
        problems,
        'spec.segment.segmentationId',
        segment?.segmentationId ?? 0,
        parseVni,
      ),
    },
    mtu: optional(problems, 'spec.mtu', mtu, parseMtu),
  };
}

/** A segment that was allocated stays: packets of ports carry it. */
export function checkNetworkUpdate(before: Network, after: NetworkSpec, problems: Problems): void {
  const allocated = before.status.segment;
  if (allocated === undefined) return;
  const { networkType, segmentationId } = after.segment;
  if (networkType !== undefined && networkType !== allocated.networkType) {
    problems.add('spec.segment.networkType', `must be ${allocated.networkType}, as allocated, or absent`);
  }
  if (segmentationId !== undefined && segmentationId !== allocated.segmentationId) {
    problems.add(
      'spec.segment.segmentationId',
      `must be ${allocated.segmentationId}, as allocated, or absent`,
    );
  }
}
