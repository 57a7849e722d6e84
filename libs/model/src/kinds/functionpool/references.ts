import type { Accessor } from '../../kind.js';
import type { FunctionPool } from './spec.js';

export const FUNCTION_POOL_SELECTABLE: readonly Accessor<FunctionPool>[] = [
  { field: 'spec.dpu', read: ({ spec }) => spec.dpu },
  { field: 'spec.attachment', read: ({ spec }) => spec.attachment },
  { field: 'spec.flavour', read: ({ spec }) => spec.flavour },
];
