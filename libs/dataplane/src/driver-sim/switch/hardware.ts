import type { FieldName } from '../../driver-ovs/openflow/fields.js';
import type { FlowSpec } from '../../driver-ovs/realise/ovs-objects.js';

/** A table of hardware, which has room for so many entries and can look at some fields only. */
export interface HardwareTable {
  readonly entries: number;
  /** Absent: all. */
  readonly fields?: readonly FieldName[];
}

/** The tables that hardware has, by number; flows of others stay in software. */
export type HardwareShape = Readonly<Record<number, HardwareTable>>;

interface Taken {
  readonly key: string;
  readonly flow: FlowSpec;
}

/**
 * Which flows are in hardware. Those of the highest priorities are, of equal ones the elder, as far as there is room and
 * they fit the table's shape: one that comes may evict another, and one that goes makes room. What hardware has not,
 * software does: packets see no difference.
 */
export class Hardware {
  readonly #fitting = new Map<number, Map<string, Taken>>();
  readonly #taken = new Map<number, ReadonlySet<string>>();

  constructor(private readonly shape: HardwareShape) {}

  has(key: string, { table }: FlowSpec): boolean {
    return this.#taken.get(table)?.has(key) ?? false;
  }

  /** A flow is there, or is another than before. Returns the keys of those that came into hardware, or were evicted. */
  put(key: string, flow: FlowSpec): readonly string[] {
    const shape = this.shape[flow.table];
    if (shape === undefined) return [];
    const names = Object.keys(flow.match) as FieldName[];
    const fits = shape.fields === undefined || names.every((name) => shape.fields?.includes(name));
    const fitting = this.#fitting.get(flow.table) ?? new Map<string, Taken>();
    this.#fitting.set(flow.table, fitting);
    if (fits) fitting.set(key, { key, flow });
    else fitting.delete(key);
    return this.#choose(flow.table, shape);
  }

  /** A flow is gone. Returns the keys of those that its place is for. */
  remove(key: string, { table }: FlowSpec): readonly string[] {
    const shape = this.shape[table];
    if (shape === undefined || !this.#fitting.get(table)?.delete(key)) return [];
    return this.#choose(table, shape).filter((other) => other !== key);
  }

  clear(): void {
    this.#fitting.clear();
    this.#taken.clear();
  }

  #choose(table: number, { entries }: HardwareTable): readonly string[] {
    const before = this.#taken.get(table) ?? new Set();
    const sorted = [...(this.#fitting.get(table)?.values() ?? [])].sort(
      (one, other) => other.flow.priority - one.flow.priority,
    );
    const after = new Set(sorted.slice(0, entries).map(({ key }) => key));
    this.#taken.set(table, after);
    return [...[...after].filter((key) => !before.has(key)), ...[...before].filter((key) => !after.has(key))];
  }
}
