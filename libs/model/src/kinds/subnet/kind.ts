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
    'An excluded address goes to no port. A reserved one goes to the port that the reservation names, once it exists and if it asks for no other; without a port, to none: for devices that are no ports, or as an allowed address pair. Who has an address keeps it: an address of a port can be excluded or reserved for another only when the port gives it up.',
    'While an address is kept after its port was deleted, a port of the same name gets it back; others get it only when nothing else is free, the one that was given up first before the others, and at most 4096 are kept of a subnet. If a DPU that is away may still have the address, a port of the same name gets another one at once instead of waiting.',
    'Ports that ask by DHCP get what their status says, and nothing else: `addresses` with prefix length and gateway, `mtu`, and their name as host name. Requests for other addresses are refused. It is the DPU of the port that answers, and advertises the router; servers and routers among the ports are heard by nobody.',
    'Router advertisements tell hosts to make themselves addresses of the prefix in allocation mode EUI64, otherwise to ask by DHCP if the subnet has `dhcp`. Networks of type VLAN and FLAT have none: their gateway is on the fabric.',
    'The link-local address of gateways is fe80::1: no port may have it.',
    'With allocation mode EUI64 the address follows the MAC address: it changes with it.',
    'The prefix has room for a gateway and a host (at most /30 or /126) and overlaps no loopback, link-local, multicast or reserved range.',
  ],
  schema: SubnetSchema,
  reasons: SUBNET_REASONS,
  immutable: [
    { field: 'spec.network', read: (spec) => spec.network },
    { field: 'spec.cidr', read: (spec) => spec.cidr },
    { field: 'spec.allocationMode', read: (spec) => spec.allocationMode },
  ],
  selectable: SUBNET_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    gateway: undefined,
    allocated: 0,
    capacity: undefined,
    conditions: [],
  },
  parseSpec: parseSubnetSpec,
  specToMessage: subnetSpecToMessage,
  parseStatus: parseSubnetStatus,
  statusToMessage: subnetStatusToMessage,
  references: subnetReferences,
  indexes: subnetIndexes,
} satisfies Kind<Subnet, SubnetMessage>;
