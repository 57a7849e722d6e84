import type { Documents, SharedObject } from '@outboard/document-owner/documents';
import type { Name, Port } from '@outboard/model';
import { confirmObject, expectObject } from '../awaited.js';

import type { DpuEntry, NetlinkObjectEntry, NetworkEntry, PortEntry, RouterEntry } from '../entries.js';
import type { NetlinkObjectRecord } from '../records.js';

import { placeOf, type Surroundings } from './place.js';

/** What callers have placed into layer 1 themselves, kept in its place as what is around it changes. */
export class NetlinkObjects {
  readonly #entries = new Map<string, NetlinkObjectEntry>();
  /** By the network's uid and an address, MAC address or port that an entry is about. */
  readonly #byValue = new Map<string, Set<NetlinkObjectEntry>>();
  /** Their surroundings have changed. */
  readonly #stale = new Set<NetlinkObjectEntry>();
  /** Their place has changed, and their status does not say so yet. */
  readonly #moved = new Set<NetlinkObjectEntry>();

  constructor(
    private readonly documents: Documents,
    private readonly portOf: (tenant: string, name: Name) => PortEntry | undefined,
  ) {}

  get(key: string): NetlinkObjectEntry | undefined {
    return this.#entries.get(key);
  }

  values(): Iterable<NetlinkObjectEntry> {
    return this.#entries.values();
  }

  /** Entries whose place is another, since the last call. */
  takeMoved(): NetlinkObjectEntry[] {
    const moved = [...this.#moved];
    this.#moved.clear();
    return moved;
  }

  put(key: string, record: NetlinkObjectRecord, { router, network }: Surroundings): void {
    const known = this.#entries.get(key);
    const before = known?.record.resource.spec;
    const entry = known ?? {
      record,
      router,
      network,
      place: { reason: 'Planned', message: '', objects: new Map() },
      lagging: 0,
    };
    if (known && before === record.resource.spec) {
      known.record = record;
      return;
    }
    this.#entries.set(key, entry);
    router.netlinkObjects.add(entry);
    this.#unindex(entry);
    entry.record = record;
    for (const value of valuesOf(entry)) {
      const interested = this.#byValue.get(value) ?? new Set();
      this.#byValue.set(value, interested.add(entry));
    }
    this.#moved.add(entry);
    this.#stale.add(entry);
  }

  remove(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#move(entry, new Map(), undefined);
    this.#unindex(entry);
    this.#entries.delete(key);
    entry.router.netlinkObjects.delete(entry);
    this.#stale.delete(entry);
    this.#moved.delete(entry);
  }

  /** The router's subnets, next hops, hosts or resource are others. */
  routerChanged({ netlinkObjects }: RouterEntry): void {
    for (const entry of netlinkObjects) this.#stale.add(entry);
  }

  /** DPUs have come to the network or left it, or its gateway has. */
  networkChanged(network: NetworkEntry): void {
    for (const entry of network.router.netlinkObjects) if (entry.network === network) this.#stale.add(entry);
  }

  /** The port is new, another (`before`), or gone. */
  portChanged({ network, record: { resource } }: PortEntry, before: Port | undefined): void {
    if (network.router.netlinkObjects.size === 0) return;
    const { uid } = network.record.resource.metadata;
    const values = [resource, ...(before ? [before] : [])].flatMap(({ metadata, status }) => [
      metadata.name,
      status.macAddress,
      ...status.addresses.map(({ ip }) => ip),
    ]);
    for (const value of values) {
      for (const entry of this.#byValue.get(`${uid} ${value}`) ?? []) this.#stale.add(entry);
    }
  }

  /** Puts everything in its place. `sequence`: that DPUs must confirm; undefined while a stored world is loaded. */
  settle(sequence: number | undefined): void {
    for (const entry of this.#stale) {
      const { tenant } = entry.record.resource.metadata;
      const place = placeOf(entry, (name) => this.portOf(tenant, name));
      const told = place.reason !== entry.place.reason || place.message !== entry.place.message;
      if (this.#move(entry, place.objects, sequence) || told) this.#moved.add(entry);
      entry.place = place;
    }
    this.#stale.clear();
  }

  /** True: on some DPU it is another than before. */
  #move(
    entry: NetlinkObjectEntry,
    after: ReadonlyMap<DpuEntry, SharedObject>,
    sequence: number | undefined,
  ): boolean {
    const { objects: before } = entry.place;
    let changed = false;
    for (const [dpu, object] of before) {
      if (after.get(dpu)?.key === object.key) continue;
      changed = true;
      this.documents.replace(dpu.record.name, object, undefined);
      dpu.netlinkObjects.delete(object.key);
      confirmObject(entry, dpu);
    }
    for (const [dpu, object] of after) {
      const former = before.get(dpu);
      if (object.equals(former)) continue;
      changed = true;
      this.documents.replace(dpu.record.name, former?.key === object.key ? former : undefined, object);
      dpu.netlinkObjects.set(object.key, entry);
      if (sequence !== undefined) expectObject(entry, dpu, sequence);
    }
    return changed;
  }

  #unindex(entry: NetlinkObjectEntry): void {
    for (const value of valuesOf(entry)) {
      const interested = this.#byValue.get(value);
      interested?.delete(entry);
      if (interested?.size === 0) this.#byValue.delete(value);
    }
  }
}

/** Of what ports have, what an entry's place depends on. */
function valuesOf({ record, network }: NetlinkObjectEntry): readonly string[] {
  const { object } = record.resource.spec;
  const uid = network?.record.resource.metadata.uid;
  switch (object.kind) {
    case 'neigh':
      return [`${uid} ${object.dst}`];
    case 'fdb':
      return [`${uid} ${object.lladdr}`, `${uid} ${object.port}`];
    default:
      return [];
  }
}
