import { create } from '@bufbuild/protobuf';
import {
  type EncapsulationPolicySpec as EncapsulationPolicySpecMessage,
  EncapsulationPolicySpecSchema,
  type SegmentRange as SegmentRangeMessage,
  SegmentRangeSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, atMost, optional, required } from '../../fields.js';
import { parseName, parseSegmentationId, parseTenantName, type SegmentationId } from '../../values.js';
import { parseNetworkType } from '../network/parse.js';
import { isPhysical, segmentationIds } from '../network/segment.js';
import type { NetworkType } from '../network/spec.js';
import type { EncapsulationPolicySpec, SegmentRange } from './spec.js';

export const MAX_ALLOWED_SEGMENTS = 64;

/** What networks get unless asked otherwise: identifiers below are reserved, or commonly given by hand. */
export const FIRST_DEFAULT_VNI = 4096;

export function parseEncapsulationPolicySpec(
  message: EncapsulationPolicySpecMessage = create(EncapsulationPolicySpecSchema),
  problems: Problems,
): EncapsulationPolicySpec | undefined {
  const tenant = optional(problems, 'spec.tenant', message.tenant, parseTenantName);
  const defaultSegment = parseSegmentRange(
    message.defaultSegment,
    'spec.defaultSegment',
    FIRST_DEFAULT_VNI,
    problems,
  );
  const field = 'spec.allowed';
  atMost(problems, field, message.allowed, MAX_ALLOWED_SEGMENTS);
  const allowed = all(
    message.allowed.map((range, index) => parseSegmentRange(range, `${field}[${index}]`, 1, problems)),
  );
  return defaultSegment && allowed && { tenant, defaultSegment, allowed };
}

function parseSegmentRange(
  message: SegmentRangeMessage = create(SegmentRangeSchema),
  field: string,
  firstVni: number,
  problems: Problems,
): SegmentRange | undefined {
  const networkType = required(problems, `${field}.networkType`, message.networkType, parseNetworkType);
  const physicalNetwork = optional(problems, `${field}.physicalNetwork`, message.physicalNetwork, parseName);
  if (networkType === undefined) return undefined;
  checkPhysicalNetwork(networkType, message.physicalNetwork, `${field}.physicalNetwork`, problems);
  const { first, last } = segmentationIds(networkType);
  const bound = (name: 'minimum' | 'maximum', otherwise: number) => {
    const given = message[name];
    if (networkType !== 'FLAT') {
      return optional(problems, `${field}.${name}`, given, parseSegmentationId(last)) ?? asId(otherwise);
    }
    if (given !== 0) problems.add(`${field}.${name}`, 'must be absent: FLAT has no identifiers');
    return asId(0);
  };
  const minimum = bound('minimum', networkType === 'VLAN' ? first : firstVni);
  const maximum = bound('maximum', last);
  if (minimum > maximum) problems.add(`${field}.maximum`, `must not be less than minimum, ${minimum}`);
  return { networkType, physicalNetwork, minimum, maximum };
}

const asId = (value: number): SegmentationId => value as SegmentationId;

function checkPhysicalNetwork(
  networkType: NetworkType,
  name: string,
  field: string,
  problems: Problems,
): void {
  if (isPhysical(networkType) && name === '') problems.add(field, `is required with ${networkType}`);
  if (!isPhysical(networkType) && name !== '') problems.add(field, `must be absent with ${networkType}`);
}

/** The identifiers of a range, for people: `100-199`. */
export const rangeText = ({ minimum, maximum }: Pick<SegmentRange, 'minimum' | 'maximum'>): string =>
  `${minimum}-${maximum}`;
