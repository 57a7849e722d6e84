import { type Dpu as DpuMessage, DpuSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { DPU_REASONS } from './conditions.js';
import { parseDpuSpec } from './parse.js';
import { DPU_SELECTABLE, dpuIndexes } from './references.js';
import type { Dpu } from './spec.js';
import { dpuSpecToMessage, dpuStatusToMessage, parseDpuStatus } from './wire.js';

export const dpuKind = {
  kind: 'Dpu',
  api: 'admin',
  scope: 'system',
  summary: 'A data processing unit, registered by the worker that runs for it.',
  rules: [
    'A serial number belongs to one DPU. A worker that presents another one than the spec, or than the first that registered, is refused.',
    'A DPU that is not approved, or retired, gets nothing: nothing is planned on it. Taking the approval away is refused while a port has bound one of its functions.',
    'A DPU that is to be in maintenance or retired takes no new ports; it comes there when no port names a function of it any more, and its worker has confirmed that no workload runs on it.',
    'A request (rebootRequest, retryRequest) is a text that differs from the one that was obeyed last (in status.lifecycle).',
    'A DPU whose worker reports, or one of whose functions is bound by a port, cannot be deleted.',
  ],
  schema: DpuSchema,
  reasons: DPU_REASONS,
  immutable: [],
  selectable: DPU_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    serialNumber: undefined,
    incarnation: undefined,
    workerVersion: undefined,
    kernelRelease: undefined,
    architecture: undefined,
    driver: undefined,
    capabilities: [],
    underlay: undefined,
    accelerator: undefined,
    functions: 0,
    capacity: undefined,
    usedCapacity: undefined,
    freeCapacity: undefined,
    workloads: 0,
    networkKept: undefined,
    endingWorkloads: [],
    usedFunctions: 0,
    freeFunctions: 0,
    uplinks: [],
    lifecycle: undefined,
    conditions: [],
  },
  parseSpec: parseDpuSpec,
  specToMessage: dpuSpecToMessage,
  parseStatus: parseDpuStatus,
  statusToMessage: dpuStatusToMessage,
  references: () => [],
  indexes: dpuIndexes,
} satisfies Kind<Dpu, DpuMessage>;
