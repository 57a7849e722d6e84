import type { Accessor, IndexEntry } from '../../kind.js';
import type { Workload } from './spec.js';

export function workloadIndexes({ metadata, spec, status }: Workload): IndexEntry[] {
  const entries: IndexEntry[] = spec.interfaces.map(({ port }) => ({
    index: 'workload.port',
    value: `${metadata.tenant}/${port}`,
    unique: false,
  }));
  if (status.dpu !== undefined) entries.push({ index: 'workload.dpu', value: status.dpu, unique: false });
  return entries;
}

export const WORKLOAD_SELECTABLE: readonly Accessor<Workload>[] = [
  { field: 'spec.dpu', read: ({ spec }) => spec.dpu },
  { field: 'status.dpu', read: ({ status }) => status.dpu },
  { field: 'status.state', read: ({ status }) => status.state },
];
