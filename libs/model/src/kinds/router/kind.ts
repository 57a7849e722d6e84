import { type RouterResource as RouterMessage, RouterResourceSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ROUTER_REASONS } from './conditions.js';
import { parseRouterSpec } from './parse.js';
import { ROUTER_SELECTABLE } from './references.js';
import type { Router } from './spec.js';
import { parseRouterStatus, routerSpecToMessage, routerStatusToMessage } from './wire.js';

export const routerKind = {
  kind: 'Router',
  api: 'network',
  scope: 'tenant',
  summary: 'Joins the networks of a tenant that name it (OPI: Vrf, Vpc; Neutron: router).',
  rules: [
    'Every tenant has the router `default` without making it. A Router of that name configures it, and its deletion takes the configuration away. Any other cannot be deleted while networks name it.',
    'The subnets of its networks reach each other on and across DPUs: their gateways answer on every DPU. Networks of other routers and tenants are not reached, whatever addresses they have.',
    'VLAN and FLAT networks are not routed: their gateway is on the fabric.',
    'With an external gateway, ports reach what is beyond the uplink of their DPU, over IPv4 unless it says more; nothing out there reaches a port that has not spoken to it first. Tunnel traffic (UDP 4789 and 6081) and the DPU itself are not reached.',
    'IPv6 leaves DPUs whose uplink has a global IPv6 address, and whose driver and kernel can forward it for single devices (linux, since Linux 6.17); the others say so in `status.problems`, and let out the IPv4 that they are asked for.',
    'A port that forwards for others (a next hop) needs allowed address pairs for their sources.',
  ],
  schema: RouterResourceSchema,
  reasons: ROUTER_REASONS,
  immutable: [],
  selectable: ROUTER_SELECTABLE,
  emptyStatus: { observedGeneration: 0, networks: 0, dpus: 0, problems: [], conditions: [] },
  parseSpec: parseRouterSpec,
  specToMessage: routerSpecToMessage,
  parseStatus: parseRouterStatus,
  statusToMessage: routerStatusToMessage,
  references: () => [],
  indexes: (_: Router) => [],
} satisfies Kind<Router, RouterMessage>;
