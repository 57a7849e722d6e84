import type { Accessor } from '../../kind.js';
import type { PhysicalNetwork } from './spec.js';

export const PHYSICAL_NETWORK_SELECTABLE: readonly Accessor<PhysicalNetwork>[] = [
  { field: 'spec.mtu', read: ({ spec }) => `${spec.mtu}` },
];
