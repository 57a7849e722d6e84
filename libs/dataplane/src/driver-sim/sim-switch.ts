import type { Change, Mark, ObservedObject, Ownership, RuleCounter } from '../driver.js';
import {
  type BucketSpec,
  type FlowSpec,
  groupKey,
  isFlow,
  type OvsSpec,
  portKey,
} from '../driver-ovs/realise/ovs-objects.js';
import { PIPELINE } from '../driver-ovs/realise/pipeline.js';
import { linkKey } from '../realise/linux-objects.js';
import { Connections } from './switch/connections.js';
import { type Bucket, execute, type Output } from './switch/execute.js';
import { FlowTable } from './switch/flow-table.js';
import { Hardware, type HardwareShape } from './switch/hardware.js';
import type { Packet } from './switch/packet.js';

export interface SimSwitchOptions {
  /** Tables of hardware; absent: all is software. */
  readonly hardware?: HardwareShape;
  /** Flows that each table has room for, in software; absent: any number. */
  readonly tableEntries?: number;
}

interface Standing {
  readonly spec: OvsSpec;
  readonly ownership: Ownership;
  readonly within?: string;
}

/**
 * A switch in memory: the objects that stand in it, and what these do to packets. It outlives the drivers that work on
 * it, as a switch does.
 */
export class SimSwitch {
  readonly connections = new Connections();
  readonly #objects = new Map<string, Standing>();
  readonly #tables = new Map<number, FlowTable>();
  /** Keys of the buckets of each group that copies. */
  readonly #buckets = new Map<number, Set<string>>();
  /** How many flows send to a port or group, by its key. */
  readonly #users = new Map<string, number>();
  /** Packets by the notes of the flows that they met. */
  readonly #counted = new Map<string, bigint>();
  readonly #watchers = new Set<(change: Change) => void>();
  readonly #hardware: Hardware | undefined;
  #silent = false;

  constructor(private readonly options: SimSwitchOptions = {}) {
    this.#hardware = options.hardware && new Hardware(options.hardware);
  }

  get hasHardware(): boolean {
    return this.#hardware !== undefined;
  }

  get(key: string): ObservedObject<OvsSpec> | undefined {
    const standing = this.#objects.get(key);
    if (standing === undefined) return undefined;
    const { spec, ownership, within } = standing;
    const inHardware = isFlow(spec) && this.#hardware?.has(key, spec);
    return {
      key,
      spec,
      ownership,
      ...(within === undefined ? {} : { within }),
      ...(inHardware && { inHardware }),
    };
  }

  /** Why an object does not fit any more; undefined: it does. */
  fullness(key: string, spec: OvsSpec): string | undefined {
    const { tableEntries } = this.options;
    if (!isFlow(spec) || tableEntries === undefined || this.#objects.has(key)) return undefined;
    const { size } = this.#table(spec.table);
    return size < tableEntries ? undefined : `table ${spec.table} is full: ${size} of ${tableEntries} flows`;
  }

  /** Flows send to it: it is not removed from under them. */
  isUsed(key: string): boolean {
    return (this.#users.get(key) ?? 0) > 0;
  }

  /** How many objects stand in it. */
  get size(): number {
    return this.#objects.size;
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** Puts an object with our mark; tells the watchers. */
  put(key: string, spec: OvsSpec, mark: Mark, within: string | undefined): void {
    const ownership: Ownership = { kind: 'owned', owner: mark.owner };
    this.#stand(key, { spec, ownership, ...(within === undefined ? {} : { within }) });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Removes an object and whatever cannot be without it, as a switch does; tells only of the object itself. */
  remove(key: string): void {
    const standing = this.#objects.get(key);
    if (standing === undefined) return;
    this.#objects.delete(key);
    this.#disconnect(key, standing.spec);
    for (const [other, { within }] of this.#objects) if (within === key) this.remove(other);
    this.#tell({ kind: 'objects', changed: [], lost: [key] });
  }

  /** A device appears: a representor. */
  plug(name: string, mtu = 1500): void {
    this.#stand(linkKey(name), {
      spec: { kind: 'representor', name, mtu, up: false },
      ownership: { kind: 'free' },
    });
    this.#tell({ kind: 'functions' });
    this.#tell({ kind: 'objects', changed: [linkKey(name)], lost: [] });
  }

  /** A device disappears: the switch keeps its port, which has nothing behind it. */
  unplug(name: string): void {
    const port = this.#objects.get(portKey(name));
    if (port?.spec.kind === 'port')
      this.#stand(portKey(name), { ...port, spec: { ...port.spec, attached: false } });
    this.remove(linkKey(name));
    this.#tell({ kind: 'objects', changed: [portKey(name)], lost: [] });
    this.#tell({ kind: 'functions' });
  }

  /** Gives a device back to nobody. */
  release(key: string, spec: OvsSpec): void {
    this.#stand(key, { spec, ownership: { kind: 'free' } });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Somebody else's object where ours might stand. */
  putForeign(key: string, spec: OvsSpec, found: string): void {
    this.#stand(key, { spec, ownership: { kind: 'foreign', found } });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** What a reboot leaves: the devices, which nobody has taken yet. */
  reboot(): void {
    const devices = [...this.#objects.values()].flatMap(({ spec }) =>
      spec.kind === 'representor' ? [spec.name] : [],
    );
    this.#objects.clear();
    this.#tables.clear();
    this.#buckets.clear();
    this.#users.clear();
    this.#hardware?.clear();
    this.connections.clear();
    this.#counted.clear();
    for (const name of devices) this.plug(name);
    this.#tell({ kind: 'everything' });
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }

  /** Does something of which nobody is told. */
  silently(action: () => void): void {
    this.#silent = true;
    action();
    this.#silent = false;
  }

  /** Tells that something was not told. */
  overrun(): void {
    this.#tell({ kind: 'everything' });
  }

  /** What leaves when a packet comes in by a port (`packet.inPort`), and the flows that it met (`table/priority`). */
  receive(packet: Packet): { readonly outputs: readonly Output[]; readonly flows: readonly string[] } {
    if (!this.#isOpen(packet.inPort)) return { outputs: [], flows: [] };
    const { outputs, flows, notes } = execute(
      {
        table: (number) => this.#tables.get(number),
        group: (id) => this.#group(id),
        connections: this.connections,
      },
      packet,
    );
    for (const note of notes) this.#counted.set(note, (this.#counted.get(note) ?? 0n) + 1n);
    return { outputs: outputs.filter(({ port }) => this.#isOpen(port)), flows };
  }

  /** Of the flows that say what they count. Frames have no length here. */
  counters(): RuleCounter[] {
    return [...this.#objects.values()].flatMap(({ spec }) =>
      (isFlow(spec) ? spec.actions : []).flatMap((action) =>
        'note' in action
          ? [{ name: action.note, packets: this.#counted.get(action.note) ?? 0n, bytes: 0n }]
          : [],
      ),
    );
  }

  /** It is a port, and what is behind it is up. */
  #isOpen(port: string): boolean {
    const spec = this.#objects.get(portKey(port))?.spec;
    if (spec?.kind !== 'port' || !spec.attached) return false;
    const device = this.#objects.get(linkKey(port))?.spec;
    return device?.kind !== 'representor' || device.up;
  }

  #group(id: number): { type: 'all' | 'select'; buckets: readonly Bucket[] } | undefined {
    const spec = this.#objects.get(groupKey(id))?.spec;
    if (spec?.kind !== 'group') return undefined;
    if (spec.type === 'select') return { type: spec.type, buckets: spec.ways ?? [] };
    const buckets = [...(this.#buckets.get(id) ?? [])].flatMap((key) => {
      const bucket = this.#objects.get(key)?.spec;
      return bucket?.kind === 'bucket' ? [{ weight: 1, actions: bucket.actions }] : [];
    });
    return { type: spec.type, buckets };
  }

  #stand(key: string, standing: Standing): void {
    const before = this.#objects.get(key);
    if (before !== undefined) this.#disconnect(key, before.spec);
    this.#objects.set(key, standing);
    const { spec } = standing;
    if (isFlow(spec)) {
      this.#table(spec.table).put(spec);
      this.#count(spec, 1);
      this.#tellOffload(this.#hardware?.put(key, spec));
    }
    if (spec.kind === 'bucket') this.#bucketsOf(spec).add(key);
    if (spec.kind === 'pipeline') for (const flow of PIPELINE) this.#table(flow.table).put(fixed(flow));
  }

  #disconnect(key: string, spec: OvsSpec): void {
    if (isFlow(spec)) {
      this.#table(spec.table).remove(spec);
      this.#count(spec, -1);
      this.#tellOffload(this.#hardware?.remove(key, spec));
    }
    if (spec.kind === 'bucket') this.#bucketsOf(spec).delete(key);
    if (spec.kind === 'pipeline') for (const flow of PIPELINE) this.#table(flow.table).remove(fixed(flow));
  }

  #count({ actions }: FlowSpec, more: 1 | -1): void {
    for (const action of actions) {
      const key =
        'output' in action ? portKey(action.output) : 'group' in action ? groupKey(action.group) : undefined;
      if (key !== undefined) this.#users.set(key, (this.#users.get(key) ?? 0) + more);
    }
  }

  #table(number: number): FlowTable {
    const table = this.#tables.get(number) ?? new FlowTable();
    this.#tables.set(number, table);
    return table;
  }

  #bucketsOf({ group }: BucketSpec): Set<string> {
    const buckets = this.#buckets.get(group) ?? new Set();
    this.#buckets.set(group, buckets);
    return buckets;
  }

  #tellOffload(changed: readonly string[] = []): void {
    if (changed.length > 0) this.#tell({ kind: 'objects', changed, lost: [] });
  }

  #tell(change: Change): void {
    if (!this.#silent) for (const watcher of this.#watchers) watcher(change);
  }
}

const fixed = (flow: Omit<FlowSpec, 'kind'>): FlowSpec => ({ kind: 'flow', ...flow });
