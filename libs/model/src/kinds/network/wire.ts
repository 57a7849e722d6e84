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
import { parseMtu, parseName, parseSegmentationId } from '../../values.js';
import { parseNetworkType } from './parse.js';
import { isPhysical, segmentationIds } from './segment.js';
import type { AskedSegment, NetworkSpec, NetworkStatus, Segment } from './spec.js';

export function networkSpecToMessage({ router, segment, mtu }: NetworkSpec): NetworkSpecMessage {
  const asked = Object.values(segment).some((value) => value !== undefined);
  return create(NetworkSpecSchema, {
    router,
    ...(asked && { segment: segmentToMessage(segment) }),
    mtu: mtu ?? 0,
  });
}

export const segmentToMessage = ({ networkType, segmentationId, physicalNetwork }: AskedSegment) => ({
  networkType: networkType ?? '',
  segmentationId: segmentationId ?? 0,
  physicalNetwork: physicalNetwork ?? '',
});

/** The encapsulation that a network or port has, where it is known. */
export function parseSegment(message: SegmentMessage | undefined, problems: Problems): Segment | undefined {
  if (message === undefined) return undefined;
  const field = 'status.segment';
  const networkType = required(problems, `${field}.networkType`, message.networkType, parseNetworkType);
  if (networkType === undefined) return undefined;
  const { last } = segmentationIds(networkType);
  const segmentationId = optional(
    problems,
    `${field}.segmentationId`,
    message.segmentationId,
    parseSegmentationId(last),
  );
  const physicalNetwork = optional(problems, `${field}.physicalNetwork`, message.physicalNetwork, parseName);
  const complete =
    (networkType === 'FLAT' || segmentationId !== undefined) &&
    (physicalNetwork !== undefined) === isPhysical(networkType);
  return complete ? { networkType, segmentationId, physicalNetwork } : undefined;
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
    ...(status.segment && { segment: segmentToMessage(status.segment) }),
    mtu: status.mtu ?? 0,
    ports: status.ports,
  });
