import { create } from '@bufbuild/protobuf';
import {
  type NetworkSpec as NetworkSpecMessage,
  NetworkSpecSchema,
  type NetworkStatus as NetworkStatusMessage,
  NetworkStatusSchema,
  type Segment as SegmentMessage,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional, required } from '../../fields.js';
import { parseMtu, parseVni } from '../../values.js';
import { parseNetworkType } from './parse.js';
import type { NetworkSpec, NetworkStatus, Segment } from './spec.js';

export function networkSpecToMessage({ router, segment, mtu }: NetworkSpec): NetworkSpecMessage {
  const { networkType, segmentationId } = segment;
  const asked = networkType !== undefined || segmentationId !== undefined;
  return create(NetworkSpecSchema, {
    router,
    ...(asked && { segment: { networkType: networkType ?? '', segmentationId: segmentationId ?? 0 } }),
    mtu: mtu ?? 0,
  });
}

/** The encapsulation that a network or port has, where it is known. */
export function parseSegment(message: SegmentMessage | undefined, problems: Problems): Segment | undefined {
  if (message === undefined) return undefined;
  const field = 'status.segment';
  const networkType = required(problems, `${field}.networkType`, message.networkType, parseNetworkType);
  const segmentationId = optional(problems, `${field}.segmentationId`, message.segmentationId, parseVni);
  if (networkType === undefined || segmentationId === undefined) return undefined;
  return { networkType, segmentationId };
}

export function parseNetworkStatus(
  message: NetworkStatusMessage = create(NetworkStatusSchema),
  problems: Problems,
): Omit<NetworkStatus, 'conditions'> {
  return {
    observedGeneration: message.observedGeneration,
    segment: parseSegment(message.segment, problems),
    mtu: optional(problems, 'status.mtu', message.mtu, parseMtu),
    ports: message.ports,
  };
}

export const networkStatusToMessage = (status: NetworkStatus): NetworkStatusMessage =>
  create(NetworkStatusSchema, {
    observedGeneration: status.observedGeneration,
    ...(status.segment && { segment: status.segment }),
    mtu: status.mtu ?? 0,
    ports: status.ports,
  });
