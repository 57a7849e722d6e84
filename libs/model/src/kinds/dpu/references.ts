import type { Accessor, IndexEntry } from '../../kind.js';
import type { Dpu } from './spec.js';

export function dpuIndexes({ metadata, spec, status }: Dpu): IndexEntry[] {
  const serialNumber = status.serialNumber ?? spec.serialNumber;
  const entries: IndexEntry[] = [{ index: 'dpu.uid', value: metadata.uid, unique: true }];
  if (serialNumber !== undefined) {
    entries.push({ index: 'dpu.serialnumber', value: serialNumber, unique: true });
  }
  return entries;
}

export const DPU_SELECTABLE: readonly Accessor<Dpu>[] = [
  { field: 'spec.host', read: ({ spec }) => spec.host },
  { field: 'status.serialNumber', read: ({ status }) => status.serialNumber },
  { field: 'status.driver', read: ({ status }) => status.driver },
];
