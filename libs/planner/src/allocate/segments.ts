import type { Uid, Vni } from '@outboard/model';
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
  readonly #holders = new Map<Vni, NetworkEntry>();
  readonly #quarantine = new Quarantine<Vni>();
  readonly #free: LowestFree;

  /** `range`: what networks without an asked identifier get; others are given when asked for. */
  constructor(readonly range: VniRange) {
    this.#free = new LowestFree(range.last - range.first + 1);
  }

  holder(vni: Vni): NetworkEntry | undefined {
    return this.#holders.get(vni);
  }

  /** What keeps a network from using its segment yet. */
  blocker(vni: Vni, network: Uid): ReleaseEntry | undefined {
    return this.#quarantine.blocker(vni, network);
  }

  /** The lowest identifier that is neither held nor quarantined; undefined: there is none. */
  lowest(): Vni | undefined {
    const number = this.#free.lowest();
    return number === undefined ? undefined : ((this.range.first + number) as Vni);
  }

  take(vni: Vni, network: NetworkEntry): void {
    this.#holders.set(vni, network);
    this.#settle(vni);
  }

  release(vni: Vni): void {
    this.#holders.delete(vni);
    this.#settle(vni);
  }

  quarantine(vni: Vni, release: ReleaseEntry): void {
    this.#quarantine.add(vni, release);
    this.#settle(vni);
  }

  free(vni: Vni, release: ReleaseEntry): void {
    this.#quarantine.delete(vni, release);
    this.#settle(vni);
  }

  #settle(vni: Vni): void {
    const number = vni - this.range.first;
    if (number < 0 || vni > this.range.last) return;
    if (this.#holders.has(vni) || this.#quarantine.has(vni)) this.#free.take(number);
    else this.#free.release(number);
  }
}
