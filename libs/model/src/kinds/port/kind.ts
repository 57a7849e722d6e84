import { type Port as PortMessage, PortSchema } from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { PORT_REASONS } from './conditions.js';
import { parsePortSpec } from './parse.js';
import { PORT_SELECTABLE, portIndexes, portReferences } from './references.js';
import type { Port } from './spec.js';
import { parsePortStatus, portSpecToMessage, portStatusToMessage } from './wire.js';

export const portKind = {
  kind: 'Port',
  api: 'network',
  scope: 'tenant',
  summary: 'The connection of one function to one network (OPI: BridgePort, Vnic; Neutron: port).',
  rules: [
    'A function is bound by one port. A function that no DPU has shown yet makes the port wait, it is not refused.',
    'A MAC address is used once per network, an IP address once per subnet.',
    'A port may send from its own addresses and from its allowed address pairs, from nothing else.',
    'The policies that a port names apply to it besides those that select it by its labels.',
    'A port is connected by a function, or by a trunk: as a VLAN of another port of the tenant, which has a function and no trunk. A VLAN is used once per parent.',
    'A port that others are VLANs of is not deleted. Where its function goes, they go.',
    'What is more than its bandwidth waits for a moment in a queue, and is dropped when that is full.',
    'Addresses given or allocated stay until the port is deleted or no longer asks for them.',
  ],
  schema: PortSchema,
  reasons: PORT_REASONS,
  immutable: [{ field: 'spec.network', read: (spec) => spec.network }],
  selectable: PORT_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    dpu: undefined,
    representor: undefined,
    mtu: undefined,
    macAddress: undefined,
    addresses: [],
    segment: undefined,
    offload: undefined,
    propagated: undefined,
    conditions: [],
  },
  parseSpec: parsePortSpec,
  specToMessage: portSpecToMessage,
  parseStatus: parsePortStatus,
  statusToMessage: portStatusToMessage,
  references: portReferences,
  indexes: portIndexes,
} satisfies Kind<Port, PortMessage>;
