import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import type { WorkloadConfiguration, WorkloadConfigurationSpec } from './spec.js';

export const workloadConfigurationReferences = ({ workload }: WorkloadConfigurationSpec): Reference[] => [
  { field: 'spec.workload', kind: 'Workload', name: workload },
];

export const workloadConfigurationIndexes = ({ metadata, spec }: WorkloadConfiguration): IndexEntry[] => [
  {
    index: 'workloadconfiguration.interface',
    value: `${metadata.tenant}/${spec.workload}/${spec.interface}`,
    unique: true,
  },
];

export const WORKLOAD_CONFIGURATION_SELECTABLE: readonly Accessor<WorkloadConfiguration>[] = [
  { field: 'spec.workload', read: ({ spec }) => spec.workload },
  { field: 'spec.interface', read: ({ spec }) => spec.interface },
  { field: 'status.dpu', read: ({ status }) => status.dpu },
];
