import { type ServiceChain as ServiceChainMessage, ServiceChainSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { SERVICE_CHAIN_REASONS } from './conditions.js';
import { parseServiceChainSpec } from './parse.js';
import { SERVICE_CHAIN_SELECTABLE, serviceChainIndexes, serviceChainReferences } from './references.js';
import type { ServiceChain } from './spec.js';
import { parseServiceChainStatus, serviceChainSpecToMessage, serviceChainStatusToMessage } from './wire.js';

export const serviceChainKind = {
  kind: 'ServiceChain',
  api: 'network',
  scope: 'tenant',
  summary:
    'Network functions that lie between ports and their network, for what these ports have with a destination (IETF: service function chain; Neutron: port chain).',
  rules: [
    'It lies in the cable of a port: what the port sends to the destination goes through the hops and then into the network, as if the port itself had sent it; what it gets from there goes through the hops in reverse. What a port may send, and its security policies, are judged on the side of the network.',
    'Steered is untagged unicast IPv4 and IPv6 between the own addresses of a port (and those of its allowed pairs) and the destination; ARP, neighbour discovery and broadcasts are not.',
    'A hop is down while a port of it is not connected on the DPU of the steered port, is administratively down, or while whoever runs it says so. FAIL_CLOSED: nothing passes then. FAIL_OPEN: the hop is left out. Both end by themselves.',
    'A hop gets frames as the port sent them, and may send on only what is between the port and the destination; what else it sends is its own, and judged so.',
    'The hops of a chain are on one DPU. No port is in two chains with overlapping destinations. A port of a hop is steered by no chain, is in one place of a chain, and has the same part in all chains; one that a hop has both ways is in one chain only, whose steered ports have no address in its destination.',
  ],
  schema: ServiceChainSchema,
  reasons: SERVICE_CHAIN_REASONS,
  immutable: [],
  selectable: SERVICE_CHAIN_SELECTABLE,
  emptyStatus: { observedGeneration: 0, ports: 0, dpus: 0, propagated: undefined, conditions: [] },
  parseSpec: parseServiceChainSpec,
  specToMessage: serviceChainSpecToMessage,
  parseStatus: parseServiceChainStatus,
  statusToMessage: serviceChainStatusToMessage,
  references: serviceChainReferences,
  indexes: serviceChainIndexes,
} satisfies Kind<ServiceChain, ServiceChainMessage>;
