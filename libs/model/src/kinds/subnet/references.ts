import type { Accessor, IndexEntry, Reference } from '../../kind.js';
import type { Subnet, SubnetSpec } from './spec.js';

export const subnetReferences = ({ network }: SubnetSpec): Reference[] => [
  { field: 'spec.network', kind: 'Network', name: network },
];

export const subnetIndexes = ({ metadata, spec }: Subnet): IndexEntry[] => [
  { index: 'subnet.network', value: `${metadata.tenant}/${spec.network}`, unique: false },
];

export const SUBNET_SELECTABLE: readonly Accessor<Subnet>[] = [
  { field: 'spec.network', read: ({ spec }) => spec.network },
  { field: 'spec.cidr', read: ({ spec }) => spec.cidr },
];
