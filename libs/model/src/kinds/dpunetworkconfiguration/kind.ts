import {
  type DpuNetworkConfiguration as DpuNetworkConfigurationMessage,
  DpuNetworkConfigurationSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { DPU_NETWORK_CONFIGURATION_REASONS } from './conditions.js';
import { parseDpuNetworkConfigurationSpec } from './parse.js';
import { DPU_NETWORK_CONFIGURATION_SELECTABLE } from './references.js';
import type { DpuNetworkConfiguration } from './spec.js';
import {
  dpuNetworkConfigurationSpecToMessage,
  dpuNetworkConfigurationStatusToMessage,
  parseDpuNetworkConfigurationStatus,
} from './wire.js';

export const dpuNetworkConfigurationKind = {
  kind: 'DpuNetworkConfiguration',
  api: 'admin',
  scope: 'system',
  summary:
    'The network of a DPU itself, its uplinks, underlay addresses and routes; its name is that of the Dpu, which need not exist yet.',
  rules: [
    'A change is confirmed or rolled back: the DPU makes it, reads it back, and asks the control plane over a new connection. Without an answer in time, or when its worker dies in between, it puts back what was there before and says `RolledBack`; a new generation tries anew.',
    'Only what the configuration sets is changed and kept: drift of it is repaired. Other addresses, routes and devices are left alone, and deletion of the configuration gives back what was there before it, in the same careful way.',
    'An address that tunnels can start from (on the underlay device of its DPU) belongs to one DPU.',
    'Taking away the address that the worker itself reaches the bus by is allowed: it is rolled back.',
  ],
  schema: DpuNetworkConfigurationSchema,
  reasons: DPU_NETWORK_CONFIGURATION_REASONS,
  immutable: [],
  selectable: DPU_NETWORK_CONFIGURATION_SELECTABLE,
  emptyStatus: { observedGeneration: 0, confirmedGeneration: 0, conditions: [] },
  parseSpec: parseDpuNetworkConfigurationSpec,
  specToMessage: dpuNetworkConfigurationSpecToMessage,
  parseStatus: parseDpuNetworkConfigurationStatus,
  statusToMessage: dpuNetworkConfigurationStatusToMessage,
  references: () => [],
  indexes: (_: DpuNetworkConfiguration) => [],
} satisfies Kind<DpuNetworkConfiguration, DpuNetworkConfigurationMessage>;
