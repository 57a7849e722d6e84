import type { Accessor, IndexEntry } from '../../kind.js';
import type { Dpu } from './spec.js';

export function dpuIndexes({ spec, status }: Dpu): IndexEntry[] {
  const serialNumber = status.serialNumber ?? spec.serialNumber;
  return serialNumber === undefined ? [] : [{ index: 'dpu.serialnumber', value: serialNumber, unique: true }];
}

export const DPU_SELECTABLE: readonly Accessor<Dpu>[] = [
  { field: 'spec.host', read: ({ spec }) => spec.host },
  { field: 'status.serialNumber', read: ({ status }) => status.serialNumber },
  { field: 'status.driver', read: ({ status }) => status.driver },
];
