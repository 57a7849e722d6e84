import { type FunctionPool as FunctionPoolMessage, FunctionPoolSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { FUNCTION_POOL_REASONS } from './conditions.js';
import { parseFunctionPoolSpec } from './parse.js';
import { FUNCTION_POOL_SELECTABLE } from './references.js';
import type { FunctionPool } from './spec.js';
import { functionPoolSpecToMessage, functionPoolStatusToMessage, parseFunctionPoolStatus } from './wire.js';

export const functionPoolKind = {
  kind: 'FunctionPool',
  api: 'admin',
  scope: 'system',
  summary: 'Functions of one sort on some DPUs, of which there are always some free.',
  rules: [
    'A function belongs to the pool that its spec names; one that a worker has made to the pool that it was made for.',
    'Functions with attachment DPU are made as ports bind those that are free, up to the maximum; on a DPU that takes no new ports, or lacks their physical function, none are made. One that a port has bound is never taken away. They are of flavour VIRTUAL; VFs and SFs of hardware are not made, only counted (attachment HOST), those of one flavour where the pool names it.',
    'A pool of whose functions one is bound by a port cannot be deleted.',
  ],
  schema: FunctionPoolSchema,
  reasons: FUNCTION_POOL_REASONS,
  immutable: [
    { field: 'spec.attachment', read: ({ attachment }: FunctionPool['spec']) => attachment },
    { field: 'spec.pfNumber', read: ({ pfNumber }: FunctionPool['spec']) => String(pfNumber) },
  ],
  selectable: FUNCTION_POOL_SELECTABLE,
  emptyStatus: { observedGeneration: 0, dpus: 0, total: 0, used: 0, free: 0, conditions: [] },
  parseSpec: parseFunctionPoolSpec,
  specToMessage: functionPoolSpecToMessage,
  parseStatus: parseFunctionPoolStatus,
  statusToMessage: functionPoolStatusToMessage,
  references: () => [],
  indexes: (_: FunctionPool) => [],
} satisfies Kind<FunctionPool, FunctionPoolMessage>;
