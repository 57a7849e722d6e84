import { type NetlinkObject as NetlinkObjectMessage, NetlinkObjectSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { NETLINK_OBJECT_REASONS } from './conditions.js';
import { parseNetlinkObjectSpec } from './parse.js';
import {
  NETLINK_OBJECT_SELECTABLE,
  netlinkObjectIndexes,
  netlinkObjectReferences,
  networkOf,
  routerOf,
} from './references.js';
import type { NetlinkObject } from './spec.js';
import {
  netlinkObjectSpecToMessage,
  netlinkObjectStatusToMessage,
  parseNetlinkObjectStatus,
} from './wire.js';

export const netlinkObjectKind = {
  kind: 'NetlinkObject',
  api: 'network',
  scope: 'tenant',
  summary:
    'A route, neighbour, forwarding entry or address that a caller places itself, in a router or network of its tenant; attributes have the names of netlink.',
  rules: [
    'What layers 2 and 3 make has precedence: an object in its place is refused with what is there, and one that was there first yields (Planned: Conflict), and comes back when the place is free.',
    'Routes: not the prefix of a subnet, a destination of the Router, nor the default route beside an external gateway. A longer prefix inside a subnet is possible.',
    'Neighbours: not the address of a port or gateway. What a port has by an allowed address pair may be placed, and is preferred to what is guessed of pairs.',
    'Forwarding entries: not the MAC address of a port of the network, or of the gateway.',
    'Addresses: their prefix overlaps no subnet of the router, and is no destination of the Router.',
    'Two objects of this kind do not share a place on a DPU. A router has at most 1,024, those of its networks included.',
    'Networks without tunnels (VLAN, FLAT) have no neighbours and addresses here: the gateway is on the fabric.',
  ],
  schema: NetlinkObjectSchema,
  reasons: NETLINK_OBJECT_REASONS,
  immutable: [
    { field: 'spec.router', read: routerOf },
    { field: 'spec.network', read: networkOf },
  ],
  selectable: NETLINK_OBJECT_SELECTABLE,
  emptyStatus: { observedGeneration: 0, dpus: 0, problems: [], conditions: [] },
  parseSpec: parseNetlinkObjectSpec,
  specToMessage: netlinkObjectSpecToMessage,
  parseStatus: parseNetlinkObjectStatus,
  statusToMessage: netlinkObjectStatusToMessage,
  references: netlinkObjectReferences,
  indexes: netlinkObjectIndexes,
} satisfies Kind<NetlinkObject, NetlinkObjectMessage>;
