import { type PhysicalNetwork as PhysicalNetworkMessage, PhysicalNetworkSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { PHYSICAL_NETWORK_REASONS } from './conditions.js';
import { parsePhysicalNetworkSpec } from './parse.js';
import { PHYSICAL_NETWORK_SELECTABLE } from './references.js';
import type { PhysicalNetwork } from './spec.js';
import {
  parsePhysicalNetworkStatus,
  physicalNetworkSpecToMessage,
  physicalNetworkStatusToMessage,
} from './wire.js';

export const physicalNetworkKind = {
  kind: 'PhysicalNetwork',
  api: 'network',
  scope: 'system',
  summary: 'A fabric that carries VLAN and FLAT networks without tunnels (Neutron: physical network).',
  rules: [
    'An uplink of a DPU leads to one physical network: an attachment of a DPU to a second one by the same uplink is refused (`UPLINK_TAKEN`).',
    'It cannot be deleted while a network is carried by it or a policy names it.',
    'VLAN ids that networks have stay within its `vlanRanges`, DPUs that have ports of its networks stay attached, and its `mtu` is not less than what a network of it asks for: an update that takes these away is refused, naming the users (`PHYSICAL_NETWORK_IN_USE`).',
    'A port waits (`NotAttached`) while its DPU is not attached.',
  ],
  schema: PhysicalNetworkSchema,
  reasons: PHYSICAL_NETWORK_REASONS,
  immutable: [],
  selectable: PHYSICAL_NETWORK_SELECTABLE,
  emptyStatus: { observedGeneration: 0, dpus: 0, networks: 0, conditions: [] },
  parseSpec: parsePhysicalNetworkSpec,
  specToMessage: physicalNetworkSpecToMessage,
  parseStatus: parsePhysicalNetworkStatus,
  statusToMessage: physicalNetworkStatusToMessage,
  references: () => [],
  indexes: (_: PhysicalNetwork) => [],
} satisfies Kind<PhysicalNetwork, PhysicalNetworkMessage>;
