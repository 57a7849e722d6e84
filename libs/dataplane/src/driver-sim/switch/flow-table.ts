import {
  type FieldName,
  type FieldValue,
  fieldNumber,
  type Match,
} from '../../driver-ovs/openflow/fields.js';
import type { FlowSpec } from '../../driver-ovs/realise/ovs-objects.js';
import type { Packet } from './packet.js';

/** Flows that look at the same bits of the same fields: one of them is found by one look at a map. */
interface Shape {
  readonly fields: readonly { readonly name: FieldName; readonly mask: bigint }[];
  readonly flows: Map<string, FlowSpec>;
  /** How many flows have each priority. */
  readonly priorities: Map<number, number>;
}

/**
 * One table of a switch. Of the flows that match a packet that of the highest priority is found; of several of one
 * priority any, as OpenFlow 1.5 has it (5.3). The search goes through shapes of matches (tuple space search,
 * SIGCOMM'99), not through flows.
 */
export class FlowTable {
  readonly #shapes = new Map<string, Shape>();

  /** How many flows it has. */
  get size(): number {
    let size = 0;
    for (const { flows } of this.#shapes.values()) size += flows.size;
    return size;
  }

  put(flow: FlowSpec): void {
    const { shape, values } = partsOf(flow.match);
    let found = this.#shapes.get(shape.id);
    if (found === undefined) {
      found = { fields: shape.fields, flows: new Map(), priorities: new Map() };
      this.#shapes.set(shape.id, found);
    }
    const key = `${flow.priority} ${values}`;
    if (!found.flows.has(key))
      found.priorities.set(flow.priority, (found.priorities.get(flow.priority) ?? 0) + 1);
    found.flows.set(key, flow);
  }

  remove({ match, priority }: Pick<FlowSpec, 'match' | 'priority'>): void {
    const { shape, values } = partsOf(match);
    const found = this.#shapes.get(shape.id);
    if (!found?.flows.delete(`${priority} ${values}`)) return;
    const left = (found.priorities.get(priority) ?? 1) - 1;
    if (left > 0) found.priorities.set(priority, left);
    else found.priorities.delete(priority);
    if (found.flows.size === 0) this.#shapes.delete(shape.id);
  }

  lookup(packet: Packet): FlowSpec | undefined {
    let best: FlowSpec | undefined;
    for (const { fields, flows, priorities } of this.#shapes.values()) {
      const values = fields
        .map(({ name, mask }) =>
          name === 'in_port' ? packet.inPort : (packet.get(name) & mask).toString(16),
        )
        .join(' ');
      for (const priority of priorities.keys()) {
        if (best !== undefined && priority <= best.priority) continue;
        best = flows.get(`${priority} ${values}`) ?? best;
      }
    }
    return best;
  }
}

function partsOf(match: Match): { shape: { id: string; fields: Shape['fields'] }; values: string } {
  const entries = Object.entries(match) as [FieldName, FieldValue][];
  const parts = entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) =>
      name === 'in_port'
        ? { name, mask: 0n, text: String(value) }
        : { name, mask: fieldNumber(name, value).mask, text: fieldNumber(name, value).value.toString(16) },
    );
  return {
    shape: {
      id: parts.map(({ name, mask }) => `${name}/${mask.toString(16)}`).join(' '),
      fields: parts.map(({ name, mask }) => ({ name, mask })),
    },
    values: parts.map(({ text }) => text).join(' '),
  };
}
