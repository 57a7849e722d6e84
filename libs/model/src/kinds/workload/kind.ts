import { type Workload as WorkloadMessage, WorkloadSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { WORKLOAD_REASONS } from './conditions.js';
import { parseWorkloadSpec } from './parse.js';
import { WORKLOAD_SELECTABLE, workloadIndexes } from './references.js';
import type { Workload } from './spec.js';
import { parseWorkloadStatus, workloadSpecToMessage, workloadStatusToMessage } from './wire.js';

export const workloadKind = {
  kind: 'Workload',
  api: 'admin',
  scope: 'tenant',
  summary:
    'A program that runs on a DPU in namespaces of its own (Kubernetes: Pod); one that publishes interfaces is a CNF.',
  rules: [
    'A change of its interfaces is made while it runs; any other change starts it again, on the same DPU unless it may not stay there.',
    'It stays on the DPU that it was placed on as long as it may, also while that does not report; when all its ports are on another one that it may run on, it follows them.',
    'It leaves a DPU that is drained: started elsewhere before it is stopped there, if it has no interfaces, may run elsewhere and restartPolicy is ALWAYS; otherwise the drain waits for it (docs/lifecycle.md).',
    'Ports of its interfaces need not exist yet: it waits for them. A port belongs to one workload at a time.',
    'Acceleration sessions that it names need not exist yet: its DPU starts it when it serves them. Have them placed there, by their dpu or a port of the workload.',
    'It is Ready when it runs, its probe succeeds and its interfaces are there; one that has done its work is too.',
  ],
  schema: WorkloadSchema,
  reasons: WORKLOAD_REASONS,
  immutable: [],
  selectable: WORKLOAD_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    dpu: undefined,
    movingTo: undefined,
    state: undefined,
    since: '',
    restarts: 0,
    lastTermination: undefined,
    isolation: undefined,
    ports: [],
    interfaces: [],
    ready: false,
    message: '',
    conditions: [],
  },
  parseSpec: parseWorkloadSpec,
  specToMessage: workloadSpecToMessage,
  parseStatus: parseWorkloadStatus,
  statusToMessage: workloadStatusToMessage,
  references: () => [],
  indexes: workloadIndexes,
} satisfies Kind<Workload, WorkloadMessage>;
