import { type Clock, systemClock } from '@outboard/core';
import type { ObservedObject, RuleCounter } from '../driver.js';
import {
  type BucketSpec,
  type FlowSpec,
  groupKey,
  isFlow,
  meterKey,
  type OvsSpec,
  portKey,
} from '../driver-ovs/realise/ovs-objects.js';
import { PIPELINE } from '../driver-ovs/realise/pipeline.js';
import { InMemoryObjects } from '../in-memory/in-memory-objects.js';
import { linkKey } from '../realise/linux-keys.js';
import { Connections } from './switch/connections.js';
import { type Bucket, execute, type Output } from './switch/execute.js';
import { FlowTable } from './switch/flow-table.js';
import { Hardware, type HardwareShape } from './switch/hardware.js';
import { Meters } from './switch/meters.js';
import type { Packet } from './switch/packet.js';

export interface SimSwitchOptions {
  /** Tables of hardware; absent: all is software. */
  readonly hardware?: HardwareShape | undefined;
  /** Flows that each table has room for, in software; absent: any number. */
  readonly tableEntries?: number | undefined;
  /** By which meters fill; the system's if absent. */
  readonly clock?: Clock;
}

/** A switch in memory: the objects that stand in it, and what these do to packets. */
export class SimSwitch extends InMemoryObjects<OvsSpec> {
  readonly connections = new Connections();
  /** By which packets find flows. Made when somebody first looks: a switch that no packet enters needs none. */
  #tables: Map<number, FlowTable> | undefined;
  /** Keys of the buckets of each group that copies. */
  readonly #buckets = new Map<number, Set<string>>();
  /** How many flows send to a port or group, by its key. */
  readonly #users = new Map<string, number>();
  /** Packets by the notes of the flows that they met. */
  readonly #counted = new Map<string, bigint>();
  readonly #hardware: Hardware | undefined;
  readonly #meters: Meters;

  constructor(private readonly options: SimSwitchOptions = {}) {
    super();
    this.#hardware = options.hardware && new Hardware(options.hardware);
    this.#meters = new Meters(options.clock ?? systemClock);
  }

  get hasHardware(): boolean {
    return this.#hardware !== undefined;
  }

  override get(key: string): ObservedObject<OvsSpec> | undefined {
    const object = super.get(key);
    if (object === undefined || !isFlow(object.spec)) return object;
    return this.#hardware?.has(key, object.spec) ? { ...object, inHardware: true } : object;
  }

  override fullness(key: string, spec: OvsSpec): string | undefined {
    const { tableEntries } = this.options;
    if (!isFlow(spec) || tableEntries === undefined || this.get(key) !== undefined) return undefined;
    const size = this.#flowTables().get(spec.table)?.size ?? 0;
    return size < tableEntries ? undefined : `table ${spec.table} is full: ${size} of ${tableEntries} flows`;
  }

  inTheWayOf(key: string): string | undefined {
    return (this.#users.get(key) ?? 0) > 0 ? 'flows send to it' : undefined;
  }

  /** A device disappears: the switch keeps its port, which has nothing behind it. */
  unplug(name: string): void {
    const key = portKey(name);
    const port = this.get(key);
    if (port?.spec.kind === 'port') this.stand(key, { ...port, spec: { ...port.spec, attached: false } });
    this.remove(linkKey(name));
    this.tell({ kind: 'objects', changed: [key], lost: [] });
    this.tell({ kind: 'functions' });
  }

  /** What a reboot leaves: the devices, which nobody has taken yet. */
  reboot(): void {
    const devices = [...this.standing()].flatMap(({ spec }) =>
      spec.kind === 'representor' ? [spec.name] : [],
    );
    this.clear();
    this.#tables = undefined;
    this.#buckets.clear();
    this.#users.clear();
    this.#hardware?.clear();
    this.connections.clear();
    this.#meters.clear();
    this.#counted.clear();
    for (const name of devices) this.plug(name);
    this.tell({ kind: 'everything' });
  }

  /** What leaves when a packet comes in by a port (`packet.inPort`), and the flows that it met (`table/priority`). */
  receive(packet: Packet): { readonly outputs: readonly Output[]; readonly flows: readonly string[] } {
    if (!this.#isOpen(packet.inPort)) return { outputs: [], flows: [] };
    const tables = this.#flowTables();
    const { outputs, flows, notes } = execute(
      {
        table: (number) => tables.get(number),
        group: (id) => this.#group(id),
        meter: (id) => this.#passes(id),
        peer: (port) => this.#peer(port),
        connections: this.connections,
      },
      packet,
    );
    for (const note of notes) this.#counted.set(note, (this.#counted.get(note) ?? 0n) + 1n);
    return { outputs: outputs.filter(({ port }) => this.#isOpen(port)), flows };
  }

  /** Of the flows that say what they count. Frames have no length here. */
  counters(): RuleCounter[] {
    return [...this.standing()].flatMap(({ spec }) =>
      (isFlow(spec) ? spec.actions : []).flatMap((action) =>
        'note' in action
          ? [{ name: action.note, packets: this.#counted.get(action.note) ?? 0n, bytes: 0n }]
          : [],
      ),
    );
  }

  /** It is a port, and what is behind it is up. */
  #isOpen(port: string): boolean {
    const spec = this.get(portKey(port))?.spec;
    if (spec?.kind !== 'port' || !spec.attached) return false;
    const device = this.get(linkKey(port))?.spec;
    return device?.kind !== 'representor' || device.up;
  }

  /** Patches have their other end here, or in a switch that is not simulated. */
  #peer(port: string): string | undefined {
    const spec = this.get(portKey(port))?.spec;
    const peer = spec?.kind === 'port' && spec.type === 'patch' ? spec.options.peer : undefined;
    return peer !== undefined && this.get(portKey(peer)) !== undefined ? peer : undefined;
  }

  #passes(id: number): boolean {
    const spec = this.get(meterKey(id))?.spec;
    return spec?.kind !== 'meter' || this.#meters.pass(spec);
  }

  #group(id: number): { type: 'all' | 'select'; buckets: readonly Bucket[] } | undefined {
    const spec = this.get(groupKey(id))?.spec;
    if (spec?.kind !== 'group') return undefined;
    if (spec.type === 'select') return { type: spec.type, buckets: spec.ways ?? [] };
    const buckets = [...(this.#buckets.get(id) ?? [])].flatMap((key) => {
      const bucket = this.get(key)?.spec;
      return bucket?.kind === 'bucket' ? [{ weight: 1, actions: bucket.actions }] : [];
    });
    return { type: spec.type, buckets };
  }

  protected override came(key: string, spec: OvsSpec): void {
    if (isFlow(spec)) {
      this.#count(spec, 1);
      this.#tellOffload(this.#hardware?.put(key, spec));
    }
    if (spec.kind === 'bucket') this.#bucketsOf(spec).add(key);
    if (this.#tables !== undefined) for (const flow of flowsOf(spec)) tableOf(this.#tables, flow).put(flow);
  }

  protected override left(key: string, spec: OvsSpec): void {
    if (isFlow(spec)) {
      this.#count(spec, -1);
      this.#tellOffload(this.#hardware?.remove(key, spec));
    }
    if (spec.kind === 'bucket') this.#bucketsOf(spec).delete(key);
    if (spec.kind === 'meter') this.#meters.forget(spec.id);
    if (this.#tables !== undefined)
      for (const flow of flowsOf(spec)) tableOf(this.#tables, flow).remove(flow);
  }

  #count({ actions }: FlowSpec, more: 1 | -1): void {
    for (const action of actions) {
      const key =
        'output' in action ? portKey(action.output) : 'group' in action ? groupKey(action.group) : undefined;
      if (key !== undefined) this.#users.set(key, (this.#users.get(key) ?? 0) + more);
    }
  }

  #flowTables(): Map<number, FlowTable> {
    if (this.#tables !== undefined) return this.#tables;
    const tables = new Map<number, FlowTable>();
    for (const { spec } of this.standing()) for (const flow of flowsOf(spec)) tableOf(tables, flow).put(flow);
    this.#tables = tables;
    return tables;
  }

  #bucketsOf({ group }: BucketSpec): Set<string> {
    const buckets = this.#buckets.get(group) ?? new Set();
    this.#buckets.set(group, buckets);
    return buckets;
  }

  #tellOffload(changed: readonly string[] = []): void {
    if (changed.length > 0) this.tell({ kind: 'objects', changed, lost: [] });
  }
}

/** The flows that an object is. */
function flowsOf(spec: OvsSpec): readonly FlowSpec[] {
  if (isFlow(spec)) return [spec];
  return spec.kind === 'pipeline' ? FIXED : [];
}

const FIXED = PIPELINE.map((flow): FlowSpec => ({ kind: 'flow', ...flow }));

function tableOf(tables: Map<number, FlowTable>, { table: number }: FlowSpec): FlowTable {
  const table = tables.get(number) ?? new FlowTable();
  tables.set(number, table);
  return table;
}
