import type { Segment, SegmentationId, SegmentRange, Uid } from '@outboard/model';
import type { NetworkEntry } from '../entries.js';
import { Quarantine, type ReleaseEntry } from '../quarantine.js';
import { LowestFree } from './lowest-free.js';

/** Ranges of which the free identifiers are kept in order: more than the policies in force have, of one encapsulation. */
const MAX_REMEMBERED_RANGES = 256;

/** Where identifiers are counted: those of VXLAN and GENEVE, of VLAN on each physical network, FLAT on each. */
type Realm = Pick<Segment, 'networkType' | 'physicalNetwork'>;

/** FLAT has one segment per physical network, without an identifier. */
const numberOf = ({ segmentationId }: Segment): number => segmentationId ?? 0;

/** Which network has which segment, and which segments some DPU may still have from a former network. */
export class Segments {
  readonly #pools = new Map<string, SegmentPool>();

  holder(segment: Segment): NetworkEntry | undefined {
    return this.#poolOf(segment).holders.get(numberOf(segment));
  }

  /** What keeps a network from using its segment yet. */
  blocker(segment: Segment, network: Uid): ReleaseEntry | undefined {
    return this.#poolOf(segment).quarantine.blocker(numberOf(segment), network);
  }

  /** The lowest identifier of a range that is neither held nor quarantined (0 of FLAT); undefined: there is none. */
  lowest(range: SegmentRange): number | undefined {
    return this.#poolOf(range).lowest(range.minimum, range.maximum);
  }

  take(segment: Segment, network: NetworkEntry): void {
    const pool = this.#poolOf(segment);
    pool.holders.set(numberOf(segment), network);
    pool.settle(numberOf(segment));
  }

  release(segment: Segment): void {
    const pool = this.#poolOf(segment);
    pool.holders.delete(numberOf(segment));
    pool.settle(numberOf(segment));
  }

  quarantine(segment: Segment, release: ReleaseEntry): void {
    const pool = this.#poolOf(segment);
    pool.quarantine.add(numberOf(segment), release);
    pool.settle(numberOf(segment));
  }

  free(segment: Segment, release: ReleaseEntry): void {
    const pool = this.#poolOf(segment);
    pool.quarantine.delete(numberOf(segment), release);
    pool.settle(numberOf(segment));
  }

  #poolOf({ networkType, physicalNetwork }: Realm): SegmentPool {
    const key = `${networkType}/${physicalNetwork ?? ''}`;
    const pool = this.#pools.get(key) ?? new SegmentPool();
    this.#pools.set(key, pool);
    return pool;
  }
}

/** The identifiers of one realm. */
class SegmentPool {
  readonly holders = new Map<number, NetworkEntry>();
  readonly quarantine = new Quarantine<number>();
  /** By first and last identifier: what is free of a range that was asked for. */
  readonly #free = new Map<string, { readonly first: number; readonly last: number; numbers: LowestFree }>();

  lowest(first: number, last: number): number | undefined {
    const number = this.#freeOf(first, last).lowest();
    return number === undefined ? undefined : first + number;
  }

  /** The identifier has come to be held or quarantined, or is so no longer. */
  settle(id: number): void {
    for (const { first, last, numbers } of this.#free.values()) {
      if (id < first || id > last) continue;
      if (this.#isTaken(id)) numbers.take(id - first);
      else numbers.release(id - first);
    }
  }

  #isTaken(id: number): boolean {
    return this.holders.has(id) || this.quarantine.has(id);
  }

  #freeOf(first: number, last: number): LowestFree {
    const key = `${first}-${last}`;
    const known = this.#free.get(key);
    if (known) return known.numbers;
    const numbers = new LowestFree(last - first + 1);
    for (const taken of [this.holders.keys(), this.quarantine.values()]) {
      for (const id of taken) if (id >= first && id <= last) numbers.take(id - first);
    }
    // Policies change: what is asked for again is made again.
    if (this.#free.size >= MAX_REMEMBERED_RANGES) this.#free.clear();
    this.#free.set(key, { first, last, numbers });
    return numbers;
  }
}

/** An identifier that `lowest` has given, as a segment has it. */
export const segmentationIdOf = (number: number): SegmentationId | undefined =>
  number === 0 ? undefined : (number as SegmentationId);
