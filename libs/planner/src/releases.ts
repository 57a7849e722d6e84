import { invariant } from '@outboard/core';
import type { Segments } from './allocate/segments.js';
import { settleAddressIn } from './allocate/subnet-pool.js';
import type { DpuEntry, NetworkEntry } from './entries.js';
import type { ReleaseEntry } from './quarantine.js';
import type { ReleaseRecord } from './records.js';

/** What ports and networks have given up: the quarantine of its values, and the DPUs that each waits for. */
export class Releases {
  readonly #byName = new Map<string, ReleaseEntry>();
  /** The names of those that wait for nobody any more, and are there until they are removed. */
  readonly over = new Set<string>();

  constructor(
    private readonly dpus: ReadonlyMap<string, DpuEntry>,
    private readonly networksByUid: ReadonlyMap<string, NetworkEntry>,
    private readonly segments: Segments,
  ) {}

  /** By the name that `World.newReleaseName` has given. */
  get(name: string): ReleaseEntry | undefined {
    return this.#byName.get(name);
  }

  values(): Iterable<ReleaseEntry> {
    return this.#byName.values();
  }

  /** DPUs that have confirmed it since, or are gone, are not waited for. */
  put(record: ReleaseRecord): void {
    invariant(!this.#byName.has(record.name), `release ${record.name} is new`);
    const entry: ReleaseEntry = { record, pending: new Set() };
    this.#byName.set(record.name, entry);
    const network = this.networksByUid.get(record.networkUid);
    network?.releases.add(entry);
    for (const [name, sequence] of Object.entries(record.waits)) {
      const dpu = this.dpus.get(name);
      if (!dpu || (dpu.applied ?? 0) >= sequence) continue;
      entry.pending.add(name);
      dpu.waits.set(entry, sequence);
      network?.stragglers.set(name, (network.stragglers.get(name) ?? 0) + 1);
    }
    if (entry.pending.size === 0) this.over.add(record.name);
    if (record.segment) this.segments.quarantine(record.segment, entry);
    if (!network) return;
    if (record.macAddress) network.quarantinedMacAddresses.add(record.macAddress, entry);
    for (const address of record.addresses) {
      network.quarantinedAddresses.add(address, entry);
      settleAddressIn(network, address);
    }
  }

  remove(name: string): void {
    const entry = this.#byName.get(name);
    invariant(entry, `release ${name} exists`);
    const { record } = entry;
    this.#byName.delete(name);
    this.abandon(entry);
    this.over.delete(name);
    const network = this.networksByUid.get(record.networkUid);
    network?.releases.delete(entry);
    if (record.segment) this.segments.free(record.segment, entry);
    if (!network) return;
    if (record.macAddress) network.quarantinedMacAddresses.delete(record.macAddress, entry);
    for (const address of record.addresses) {
      network.quarantinedAddresses.delete(address, entry);
      settleAddressIn(network, address);
    }
  }

  /** What was released means nothing any more: it waits for nobody. */
  abandon(entry: ReleaseEntry): void {
    for (const dpu of entry.pending) this.confirm(entry, dpu);
  }

  /** A DPU no longer has what was released. */
  confirm(entry: ReleaseEntry, dpu: string): void {
    entry.pending.delete(dpu);
    if (entry.pending.size === 0) this.over.add(entry.record.name);
    this.dpus.get(dpu)?.waits.delete(entry);
    const stragglers = this.networksByUid.get(entry.record.networkUid)?.stragglers;
    const waiting = stragglers?.get(dpu);
    if (!stragglers || waiting === undefined) return;
    if (waiting > 1) stragglers.set(dpu, waiting - 1);
    else stragglers.delete(dpu);
  }
}
