import type { Accessor, IndexEntry } from '../../kind.js';
import { functionIdentityKey } from '../port/references.js';
import type { FunctionIdentity } from '../port/spec.js';
import type { DpuFunction, FunctionStatus } from './spec.js';

/** How hosts and ports name the function; undefined while its DPU has not told enough. */
export function functionIdentityOf(status: FunctionStatus): FunctionIdentity | undefined {
  const { serialNumber, pfMacAddress, vfNumber, sfNumber } = status;
  if (serialNumber === undefined || pfMacAddress === undefined) return undefined;
  return { serialNumber, pfMacAddress, vfNumber, ...(sfNumber !== undefined && { sfNumber }) };
}

export function functionIndexes({ spec, status }: DpuFunction): IndexEntry[] {
  const identity = functionIdentityOf(status);
  const entries: IndexEntry[] = [{ index: 'function.pool', value: spec.pool, unique: false }];
  if (status.dpu !== undefined) entries.push({ index: 'function.dpu', value: status.dpu, unique: false });
  if (identity !== undefined) {
    entries.push({ index: 'function.identity', value: functionIdentityKey(identity), unique: false });
  }
  return entries;
}

export const FUNCTION_SELECTABLE: readonly Accessor<DpuFunction>[] = [
  { field: 'spec.pool', read: ({ spec }) => spec.pool },
  { field: 'status.dpu', read: ({ status }) => status.dpu },
  { field: 'status.flavour', read: ({ status }) => status.flavour },
  { field: 'status.attachment', read: ({ status }) => status.attachment },
  { field: 'status.claim.tenant', read: ({ status }) => status.claim?.tenant },
];
