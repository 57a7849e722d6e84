import { create } from '@bufbuild/protobuf';
import {
  type SubnetSpec as SubnetSpecMessage,
  SubnetSpecSchema,
  type SubnetStatus as SubnetStatusMessage,
  SubnetStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional } from '../../fields.js';
import { parseIpAddress } from '../../ip.js';
import type { SubnetSpec, SubnetStatus } from './spec.js';

export const subnetSpecToMessage = (spec: SubnetSpec): SubnetSpecMessage =>
  create(SubnetSpecSchema, {
    network: spec.network,
    cidr: spec.cidr,
    gateway: spec.gateway ?? '',
    allocationRanges: spec.allocationRanges.map(({ start, end }) => ({ start, end })),
  });

export const parseSubnetStatus = (
  message: SubnetStatusMessage = create(SubnetStatusSchema),
  problems: Problems,
): Omit<SubnetStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  gateway: optional(problems, 'status.gateway', message.gateway, parseIpAddress),
  allocated: message.allocated,
});

export const subnetStatusToMessage = (status: SubnetStatus): SubnetStatusMessage =>
  create(SubnetStatusSchema, {
    observedGeneration: status.observedGeneration,
    gateway: status.gateway ?? '',
    allocated: status.allocated,
  });
