import type { Accessor, IndexEntry } from '../../kind.js';
import type { Router } from './spec.js';

export const routerIndexes = ({ metadata }: Router): IndexEntry[] => [
  { index: 'router.uid', value: metadata.uid, unique: true },
];

export const ROUTER_SELECTABLE: readonly Accessor<Router>[] = [
  { field: 'spec.externalGateway.sourceNat', read: ({ spec }) => spec.externalGateway?.sourceNat },
];
