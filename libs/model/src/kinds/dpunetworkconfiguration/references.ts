import type { Accessor } from '../../kind.js';
import type { DpuNetworkConfiguration } from './spec.js';

export const DPU_NETWORK_CONFIGURATION_SELECTABLE: readonly Accessor<DpuNetworkConfiguration>[] = [
  {
    field: 'status.confirmedGeneration',
    read: ({ status }) => `${status.confirmedGeneration}`,
  },
];
