import { type Subnet as SubnetMessage, SubnetSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { SUBNET_REASONS } from './conditions.js';
import { parseSubnetSpec } from './parse.js';
import { SUBNET_SELECTABLE, subnetIndexes, subnetReferences } from './references.js';
import type { Subnet } from './spec.js';
import { parseSubnetStatus, subnetSpecToMessage, subnetStatusToMessage } from './wire.js';

export const subnetKind = {
  kind: 'Subnet',
  api: 'network',
  scope: 'tenant',
  summary: 'A prefix of a network from which addresses are allocated to ports.',
  rules: [
    'Subnets of one router do not overlap.',
    'Host addresses are all of the prefix but the first and, in IPv4, the last (broadcast). The gateway is never allocated.',
    'The prefix has room for a gateway and a host (at most /30 or /126) and overlaps no loopback, link-local, multicast or reserved range.',
  ],
  schema: SubnetSchema,
  reasons: SUBNET_REASONS,
  immutable: [
    { field: 'spec.network', read: (spec) => spec.network },
    { field: 'spec.cidr', read: (spec) => spec.cidr },
  ],
  selectable: SUBNET_SELECTABLE,
  emptyStatus: { observedGeneration: 0, gateway: undefined, allocated: 0, conditions: [] },
  parseSpec: parseSubnetSpec,
  specToMessage: subnetSpecToMessage,
  parseStatus: parseSubnetStatus,
  statusToMessage: subnetStatusToMessage,
  references: subnetReferences,
  indexes: subnetIndexes,
} satisfies Kind<Subnet, SubnetMessage>;
