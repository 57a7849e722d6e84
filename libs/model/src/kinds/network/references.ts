import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import { DEFAULT_ROUTER } from './parse.js';
import { segmentText } from './segment.js';
import type { Network, NetworkSpec } from './spec.js';

/** Every tenant has its default router. */
export const networkReferences = ({ router, segment: { physicalNetwork } }: NetworkSpec): Reference[] => [
  ...(router === DEFAULT_ROUTER ? [] : [{ field: 'spec.router', kind: 'Router', name: router }]),
  ...(physicalNetwork === undefined
    ? []
    : [{ field: 'spec.segment.physicalNetwork', kind: 'PhysicalNetwork', name: physicalNetwork }]),
];

export function networkIndexes({ metadata, spec, status: { segment } }: Network): IndexEntry[] {
  const entries: IndexEntry[] = [
    { index: 'network.router', value: `${metadata.tenant}/${spec.router}`, unique: false },
  ];
  if (segment !== undefined) {
    entries.push({ index: 'network.segment', value: segmentText(segment), unique: true });
  }
  return entries;
}

export const NETWORK_SELECTABLE: readonly Accessor<Network>[] = [
  { field: 'spec.router', read: ({ spec }) => spec.router },
  { field: 'status.segment.networkType', read: ({ status }) => status.segment?.networkType },
  {
    field: 'status.segment.segmentationId',
    read: ({ status }) => status.segment?.segmentationId?.toString(),
  },
  { field: 'status.segment.physicalNetwork', read: ({ status }) => status.segment?.physicalNetwork },
];
