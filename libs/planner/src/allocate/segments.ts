import type { SegmentationId, Uid } from '@outboard/model';
import type { NetworkEntry } from '../entries.js';
import { Quarantine, type ReleaseEntry } from '../quarantine.js';
import { LowestFree } from './lowest-free.js';

/** Inclusive. */
export interface VniRange {
  readonly first: number;
  readonly last: number;
}

/** Which network has which segment, and which segments some DPU may still have from a former network. */
export class Segments {
  readonly #holders = new Map<SegmentationId, NetworkEntry>();
  readonly #quarantine = new Quarantine<SegmentationId>();
  readonly #free: LowestFree;

  /** `range`: what networks without an asked identifier get; others are given when asked for. */
  constructor(readonly range: VniRange) {
    this.#free = new LowestFree(range.last - range.first + 1);
  }

  holder(vni: SegmentationId): NetworkEntry | undefined {
    return this.#holders.get(vni);
  }

  /** What keeps a network from using its segment yet. */
  blocker(vni: SegmentationId, network: Uid): ReleaseEntry | undefined {
    return this.#quarantine.blocker(vni, network);
  }

  /** The lowest identifier that is neither held nor quarantined; undefined: there is none. */
  lowest(): SegmentationId | undefined {
    const number = this.#free.lowest();
    return number === undefined ? undefined : ((this.range.first + number) as SegmentationId);
  }

  take(vni: SegmentationId, network: NetworkEntry): void {
    this.#holders.set(vni, network);
    this.#settle(vni);
  }

  release(vni: SegmentationId): void {
    this.#holders.delete(vni);
    this.#settle(vni);
  }

  quarantine(vni: SegmentationId, release: ReleaseEntry): void {
    this.#quarantine.add(vni, release);
    this.#settle(vni);
  }

  free(vni: SegmentationId, release: ReleaseEntry): void {
    this.#quarantine.delete(vni, release);
    this.#settle(vni);
  }

  #settle(vni: SegmentationId): void {
    const number = vni - this.range.first;
    if (number < 0 || vni > this.range.last) return;
    if (this.#holders.has(vni) || this.#quarantine.has(vni)) this.#free.take(number);
    else this.#free.release(number);
  }
}
