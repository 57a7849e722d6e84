import { type Network as NetworkMessage, NetworkSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { NETWORK_REASONS } from './conditions.js';
import { checkNetworkUpdate, parseNetworkSpec } from './parse.js';
import { NETWORK_SELECTABLE, networkIndexes, networkReferences } from './references.js';
import type { Network } from './spec.js';
import { networkSpecToMessage, networkStatusToMessage, parseNetworkStatus } from './wire.js';

export const networkKind = {
  kind: 'Network',
  api: 'network',
  scope: 'tenant',
  summary: 'A layer 2 segment of a tenant (OPI: LogicalBridge; Neutron: network).',
  rules: [
    'A network that asks for nothing gets the default of the EncapsulationPolicy that is in force for its tenant: of its own one, else of the general one, else VXLAN. Asking for the type of the default, without an id, is the same.',
    'Anything else must be in the `allowed` of that policy (`SEGMENT_OUTSIDE_POLICY`). Without a policy, VXLAN and GENEVE may be asked for with any id; VLAN and FLAT may not.',
    'Among what is allowed, the first entry counts that has what was asked for and a free id. VLAN ids are also within the `vlanRanges` of the physical network.',
    'A segmentation id belongs to one network of its type and physical network, and a physical network carries one FLAT network. One that was released is given again only after every DPU that had it has let it go.',
    'VLAN and FLAT networks have no tunnels: their ports reach whatever is on the fabric. Their DPUs must be attached to the physical network.',
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
  references: networkReferences,
  indexes: networkIndexes,
} satisfies Kind<Network, NetworkMessage>;
