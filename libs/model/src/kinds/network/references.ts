import type { Accessor, IndexEntry } from '../../kind.js';
import type { Network } from './spec.js';

export function networkIndexes({ metadata, spec, status }: Network): IndexEntry[] {
  const vni = status.segment?.segmentationId ?? spec.segment.segmentationId;
  const entries: IndexEntry[] = [
    { index: 'network.uid', value: metadata.uid, unique: true },
    { index: 'network.router', value: `${metadata.tenant}/${spec.router}`, unique: false },
  ];
  if (vni !== undefined) entries.push({ index: 'network.vni', value: `${vni}`, unique: true });
  return entries;
}

export const NETWORK_SELECTABLE: readonly Accessor<Network>[] = [
  { field: 'spec.router', read: ({ spec }) => spec.router },
  { field: 'status.segment.segmentationId', read: ({ status }) => status.segment?.segmentationId.toString() },
];
