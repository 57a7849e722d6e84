import { type Network as NetworkMessage, NetworkSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { NETWORK_REASONS } from './conditions.js';
import { checkNetworkUpdate, parseNetworkSpec } from './parse.js';
import { NETWORK_SELECTABLE, networkIndexes } from './references.js';
import type { Network } from './spec.js';
import { networkSpecToMessage, networkStatusToMessage, parseNetworkStatus } from './wire.js';

export const networkKind = {
  kind: 'Network',
  api: 'network',
  scope: 'tenant',
  summary: 'A layer 2 segment of a tenant (OPI: LogicalBridge; Neutron: network).',
  rules: [
    'A segmentation id belongs to one network. One that was released is given again only after every DPU that had it has let it go.',
    'Once a segment is allocated, an update may repeat it or leave it out, not change it.',
  ],
  schema: NetworkSchema,
  reasons: NETWORK_REASONS,
  immutable: [{ field: 'spec.router', read: (spec) => spec.router }],
  selectable: NETWORK_SELECTABLE,
  emptyStatus: { observedGeneration: 0, segment: undefined, mtu: undefined, ports: 0, conditions: [] },
  parseSpec: parseNetworkSpec,
  checkUpdate: checkNetworkUpdate,
  specToMessage: networkSpecToMessage,
  parseStatus: parseNetworkStatus,
  statusToMessage: networkStatusToMessage,
  references: () => [],
  indexes: networkIndexes,
} satisfies Kind<Network, NetworkMessage>;
