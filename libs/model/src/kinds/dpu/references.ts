import type { Accessor, IndexEntry } from '../../kind.js';
import type { Dpu } from './spec.js';

export function dpuIndexes({ spec, status }: Dpu): IndexEntry[] {
  const serialNumber = status.serialNumber ?? spec.serialNumber;
  return serialNumber === undefined ? [] : [{ index: 'dpu.serialnumber', value: serialNumber, unique: true }];
}

export const DPU_SELECTABLE: readonly Accessor<Dpu>[] = [
  { field: 'spec.host', read: ({ spec }) => spec.host },
  { field: 'status.serialNumber', read: ({ status }) => status.serialNumber },
  { field: 'spec.lifecycle.desired', read: ({ spec }) => spec.lifecycle.desired },
  { field: 'status.lifecycle.state', read: ({ status }) => status.lifecycle?.state },
  { field: 'status.lifecycle.reason', read: ({ status }) => status.lifecycle?.reason },
  { field: 'status.lifecycle.stuck', read: ({ status }) => String(status.lifecycle?.stuck ?? false) },
  { field: 'status.driver', read: ({ status }) => status.driver },
];
