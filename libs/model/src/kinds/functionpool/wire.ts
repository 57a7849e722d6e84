import { create } from '@bufbuild/protobuf';
import {
  type FunctionPoolSpec as FunctionPoolSpecMessage,
  FunctionPoolSpecSchema,
  type FunctionPoolStatus as FunctionPoolStatusMessage,
  FunctionPoolStatusSchema,
} from '@outboard/contracts';
import { labelSelectorToMessage } from '../../label-selector.js';
import type { FunctionPoolSpec, FunctionPoolStatus } from './spec.js';

export const functionPoolSpecToMessage = (spec: FunctionPoolSpec): FunctionPoolSpecMessage =>
  create(FunctionPoolSpecSchema, {
    dpu: spec.dpu ?? '',
    ...(spec.dpuSelector && { dpuSelector: labelSelectorToMessage(spec.dpuSelector) }),
    attachment: spec.attachment,
    minimumFree: spec.minimumFree,
    maximum: spec.maximum,
    ...(spec.attachment === 'DPU' && { pfNumber: spec.pfNumber }),
    flavour: spec.flavour ?? '',
  });

export const parseFunctionPoolStatus = (
  { observedGeneration, dpus, total, used, free }: FunctionPoolStatusMessage = create(
    FunctionPoolStatusSchema,
  ),
): Omit<FunctionPoolStatus, 'conditions'> => ({
  observedGeneration,
  dpus,
  total,
  used,
  free,
});

export const functionPoolStatusToMessage = ({
  conditions: _,
  ...status
}: FunctionPoolStatus): FunctionPoolStatusMessage => create(FunctionPoolStatusSchema, status);
