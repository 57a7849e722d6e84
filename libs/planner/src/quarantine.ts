import type { Uid } from '@outboard/model';
import type { ReleaseRecord } from './records.js';

/** Values given up that some DPU may still have. */
export interface ReleaseEntry {
  readonly record: ReleaseRecord;
  /** DPUs that have not confirmed yet, in no order. */
  readonly pending: Set<string>;
}

/** Which values of one sort (addresses, MAC addresses, VNIs) are quarantined, and by what. */
export class Quarantine<Value> {
  readonly #releases = new Map<Value, Set<ReleaseEntry>>();

  values(): IterableIterator<Value> {
    return this.#releases.keys();
  }

  has(value: Value): boolean {
    return this.#releases.has(value);
  }

  /** What keeps the value from a holder: its own former use does not, as its objects replace each other in order. */
  blocker(value: Value, holder: Uid): ReleaseEntry | undefined {
    for (const release of this.#releases.get(value) ?? []) {
      if (release.record.holder.uid !== holder) return release;
    }
    return undefined;
  }

  /** What waits for DPUs that may still have the value. */
  of(value: Value): Iterable<ReleaseEntry> {
    return this.#releases.get(value) ?? [];
  }

  add(value: Value, release: ReleaseEntry): void {
    const releases = this.#releases.get(value);
    if (releases) releases.add(release);
    else this.#releases.set(value, new Set([release]));
  }

  delete(value: Value, release: ReleaseEntry): void {
    const releases = this.#releases.get(value);
    releases?.delete(release);
    if (releases?.size === 0) this.#releases.delete(value);
  }
}
