import { create } from '@bufbuild/protobuf';
import {
  type EncapsulationPolicySpec as EncapsulationPolicySpecMessage,
  EncapsulationPolicySpecSchema,
  type EncapsulationPolicyStatus as EncapsulationPolicyStatusMessage,
  EncapsulationPolicyStatusSchema,
} from '@outboard/contracts';
import type { EncapsulationPolicySpec, EncapsulationPolicyStatus, SegmentRange } from './spec.js';

export const encapsulationPolicySpecToMessage = ({
  tenant,
  defaultSegment,
  allowed,
}: EncapsulationPolicySpec): EncapsulationPolicySpecMessage =>
  create(EncapsulationPolicySpecSchema, {
    tenant: tenant ?? '',
    defaultSegment: rangeToMessage(defaultSegment),
    allowed: allowed.map(rangeToMessage),
  });

const rangeToMessage = ({ physicalNetwork, ...range }: SegmentRange) => ({
  ...range,
  physicalNetwork: physicalNetwork ?? '',
});

export const parseEncapsulationPolicyStatus = (
  message: EncapsulationPolicyStatusMessage = create(EncapsulationPolicyStatusSchema),
): Omit<EncapsulationPolicyStatus, 'conditions'> => ({ observedGeneration: message.observedGeneration });

export const encapsulationPolicyStatusToMessage = ({
  observedGeneration,
}: EncapsulationPolicyStatus): EncapsulationPolicyStatusMessage =>
  create(EncapsulationPolicyStatusSchema, { observedGeneration });
