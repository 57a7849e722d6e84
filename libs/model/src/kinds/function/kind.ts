import { type Function as FunctionMessage, FunctionSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { FUNCTION_REASONS } from './conditions.js';
import { parseFunctionSpec } from './parse.js';
import { FUNCTION_SELECTABLE, functionIndexes } from './references.js';
import type { DpuFunction } from './spec.js';
import { functionSpecToMessage, functionStatusToMessage, parseFunctionStatus } from './wire.js';

export const functionKind = {
  kind: 'Function',
  api: 'admin',
  scope: 'system',
  summary: 'A PF, VF, SF or virtual function of a DPU, discovered by its worker (devlink: port function).',
  rules: [
    'Functions are created by discovery; an intent on one says which pool it belongs to.',
    'A function that a port has bound cannot be deleted.',
  ],
  schema: FunctionSchema,
  reasons: FUNCTION_REASONS,
  immutable: [],
  selectable: FUNCTION_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    dpu: undefined,
    serialNumber: undefined,
    pfMacAddress: undefined,
    flavour: undefined,
    controller: 0,
    pfNumber: 0,
    vfNumber: undefined,
    sfNumber: undefined,
    external: false,
    hwAddress: undefined,
    state: undefined,
    opState: undefined,
    representor: undefined,
    attachment: undefined,
    claim: undefined,
    conditions: [],
  },
  parseSpec: parseFunctionSpec,
  specToMessage: functionSpecToMessage,
  parseStatus: parseFunctionStatus,
  statusToMessage: functionStatusToMessage,
  references: () => [],
  indexes: functionIndexes,
} satisfies Kind<DpuFunction, FunctionMessage>;
