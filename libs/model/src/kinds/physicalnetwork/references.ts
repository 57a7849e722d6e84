import type { Accessor, IndexEntry } from '../../kind.js';
import type { PhysicalNetwork } from './spec.js';

export const physicalNetworkIndexes = ({ metadata }: PhysicalNetwork): IndexEntry[] => [
  { index: 'physicalnetwork.uid', value: metadata.uid, unique: true },
];

export const PHYSICAL_NETWORK_SELECTABLE: readonly Accessor<PhysicalNetwork>[] = [
  { field: 'spec.mtu', read: ({ spec }) => `${spec.mtu}` },
];
