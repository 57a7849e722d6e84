import { type DeviceName, uplinkOf } from '@outboard/model';
import type { PhysicalNetworkEntry } from './entries.js';
import type { DpuRecord, PhysicalNetworkRecord } from './records.js';

/** The physical networks, and who is attached to which. */
export class PhysicalNetworks {
  readonly #byName = new Map<string, PhysicalNetworkEntry>();

  get(name: string): PhysicalNetworkEntry | undefined {
    return this.#byName.get(name);
  }

  values(): IterableIterator<PhysicalNetworkEntry> {
    return this.#byName.values();
  }

  put(record: PhysicalNetworkRecord): void {
    const { name } = record.resource.metadata;
    const entry = this.#byName.get(name);
    if (entry) entry.record = record;
    else this.#byName.set(name, { record, networks: new Set() });
  }

  remove(name: string): void {
    this.#byName.delete(name);
  }

  /**
   * The uplink by which a DPU is attached; undefined: it is not, or another physical network has that uplink. Labels of
   * DPUs may bring two to one uplink: it is then of the one whose name comes first, so that tenants stay apart.
   */
  uplink(physical: PhysicalNetworkEntry, dpu: DpuRecord): DeviceName | undefined {
    const { metadata, spec } = physical.record.resource;
    const uplink = uplinkOf(spec, dpu);
    if (uplink === undefined) return undefined;
    for (const { record } of this.#byName.values()) {
      const other = record.resource;
      if (other.metadata.name < metadata.name && uplinkOf(other.spec, dpu) === uplink) return undefined;
    }
    return uplink;
  }
}
