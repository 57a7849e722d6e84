import {
  type WorkloadConfiguration as WorkloadConfigurationMessage,
  WorkloadConfigurationSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { WORKLOAD_CONFIGURATION_REASONS } from './conditions.js';
import { parseWorkloadConfigurationSpec } from './parse.js';
import {
  WORKLOAD_CONFIGURATION_SELECTABLE,
  workloadConfigurationIndexes,
  workloadConfigurationReferences,
} from './references.js';
import type { WorkloadConfiguration } from './spec.js';
import {
  parseWorkloadConfigurationStatus,
  workloadConfigurationSpecToMessage,
  workloadConfigurationStatusToMessage,
} from './wire.js';

export const workloadConfigurationKind = {
  kind: 'WorkloadConfiguration',
  api: 'admin',
  scope: 'tenant',
  summary:
    'What an interface that a CNF publishes should be configured as, by the model that the CNF brought along.',
  rules: [
    'While the interface is published, a configuration that its schema does not allow is refused; before, it waits.',
    'An interface of a workload has one configuration at most. The CNF is given it again whenever it has started.',
    'When it is deleted the CNF keeps what it was given last.',
  ],
  schema: WorkloadConfigurationSchema,
  reasons: WORKLOAD_CONFIGURATION_REASONS,
  immutable: [
    { field: 'spec.workload', read: ({ workload }) => workload },
    { field: 'spec.interface', read: (spec) => spec.interface },
  ],
  selectable: WORKLOAD_CONFIGURATION_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    dpu: undefined,
    interfaceVersion: '',
    appliedGeneration: 0,
    conditions: [],
  },
  parseSpec: parseWorkloadConfigurationSpec,
  specToMessage: workloadConfigurationSpecToMessage,
  parseStatus: parseWorkloadConfigurationStatus,
  statusToMessage: workloadConfigurationStatusToMessage,
  references: workloadConfigurationReferences,
  indexes: workloadConfigurationIndexes,
} satisfies Kind<WorkloadConfiguration, WorkloadConfigurationMessage>;
