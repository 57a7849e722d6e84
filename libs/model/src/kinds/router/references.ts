import type { Accessor } from '../../kind.js';
import type { Router } from './spec.js';

export const ROUTER_SELECTABLE: readonly Accessor<Router>[] = [
  { field: 'spec.externalGateway.sourceNat', read: ({ spec }) => spec.externalGateway?.sourceNat },
];
