import { create } from '@bufbuild/protobuf';
import {
  type WorkloadConfigurationSpec as WorkloadConfigurationSpecMessage,
  WorkloadConfigurationSpecSchema,
  type WorkloadConfigurationStatus as WorkloadConfigurationStatusMessage,
  WorkloadConfigurationStatusSchema,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional } from '../../fields.js';
import { parseName } from '../../values.js';
import type { WorkloadConfigurationSpec, WorkloadConfigurationStatus } from './spec.js';

export const workloadConfigurationSpecToMessage = (
  spec: WorkloadConfigurationSpec,
): WorkloadConfigurationSpecMessage => create(WorkloadConfigurationSpecSchema, spec);

export const parseWorkloadConfigurationStatus = (
  message: WorkloadConfigurationStatusMessage = create(WorkloadConfigurationStatusSchema),
  problems: Problems,
): Omit<WorkloadConfigurationStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  dpu: optional(problems, 'status.dpu', message.dpu, parseName),
  interfaceVersion: message.interfaceVersion,
  appliedGeneration: message.appliedGeneration,
});

export const workloadConfigurationStatusToMessage = ({
  observedGeneration,
  dpu,
  interfaceVersion,
  appliedGeneration,
}: WorkloadConfigurationStatus): WorkloadConfigurationStatusMessage =>
  create(WorkloadConfigurationStatusSchema, {
    observedGeneration,
    dpu: dpu ?? '',
    interfaceVersion,
    appliedGeneration,
  });
