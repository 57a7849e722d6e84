import { HEADER_BYTES } from './frame.js';

/** Slots of a ring; a power of two. */
export const RING_SLOTS = 64;
/** A header and its metadata. */
export const SLOT_BYTES = 256;
/** Longest metadata of a frame in a ring: a frame with more goes over the socket. */
export const SLOT_METADATA = SLOT_BYTES - HEADER_BYTES;

/** Where things are in shared memory. Counters are u32, run over, and have a cache line of their own. */
export const REGION = {
  submissionTail: 0,
  submissionHead: 64,
  completionTail: 128,
  completionHead: 192,
  /** 1: whoever writes into that ring next must send WAKE, after making it 0. */
  workerWaits: 256,
  clientWaits: 320,
  submissions: 4096,
  completions: 4096 + RING_SLOTS * SLOT_BYTES,
  payload: 4096 + 2 * RING_SLOTS * SLOT_BYTES,
} as const;

/** The other side wrote counters that no ring can have. */
export class RingBroken extends Error {
  override readonly name = 'RingBroken';
}

/**
 * One end of a ring in memory that the other side may write at any time: own counters are kept outside of it, the other
 * side's are checked at each look, and a slot is copied before it is read.
 */
class RingEnd {
  protected readonly cells: Int32Array;
  /** Own counter. */
  protected position = 0;
  protected readonly slots: readonly Uint8Array[];
  /** The other counter, as it was. */
  #seen = 0;

  constructor(
    region: Uint8Array<ArrayBuffer>,
    private readonly ownCell: number,
    private readonly otherCell: number,
    slots: number,
  ) {
    this.slots = Array.from({ length: RING_SLOTS }, (_, index) => {
      const at = slots + index * SLOT_BYTES;
      return region.subarray(at, at + SLOT_BYTES);
    });
    this.cells = new Int32Array(region.buffer, region.byteOffset, REGION.submissions / 4);
  }

  /**
   * How far the other counter was ahead of the own one (`sign` 1) or behind it (-1) when it was last looked at; it is looked
   * at again when that says `useless`: each look takes its cache line from the other side.
   */
  protected distance(sign: 1 | -1, useless: number): number {
    const known = (sign * (this.#seen - this.position)) >>> 0;
    if (known !== useless) return known;
    this.#seen = Atomics.load(this.cells, this.otherCell / 4) >>> 0;
    const distance = (sign * (this.#seen - this.position)) >>> 0;
    if (distance > RING_SLOTS) {
      this.#seen = (this.position + sign * useless) >>> 0;
      throw new RingBroken(`a ring of ${RING_SLOTS} has ${distance} frames`);
    }
    return distance;
  }

  /** Of the slot where the next frame is, or goes. */
  protected get slotIndex(): number {
    return this.position % RING_SLOTS;
  }

  protected advance(): void {
    this.position = (this.position + 1) >>> 0;
    Atomics.store(this.cells, this.ownCell / 4, this.position | 0);
  }
}

/**
 * Reads frames. Each cache line of a slot comes from the other side's core and costs as much as a hundred calls: no more of
 * them are touched than a frame has.
 */
export class RingReader extends RingEnd {
  readonly #copy = new Uint8Array(SLOT_BYTES);
  readonly #headers = this.slots.map((slot) => slot.subarray(0, HEADER_BYTES));
  #slot = 0;
  /** The header of the frame that `read` found. */
  readonly view = new DataView(this.#copy.buffer, 0, HEADER_BYTES);

  /** Whether there is a frame, its header now in `view`: a copy, which nobody else can change. */
  read(): boolean {
    if (this.distance(1, 0) === 0) return false;
    this.#slot = this.slotIndex;
    this.#copy.set(this.#headers[this.#slot] as Uint8Array);
    return true;
  }

  get isEmpty(): boolean {
    return this.distance(1, 0) === 0;
  }

  /** `length` bytes of metadata of the frame that was read, in memory of its own. */
  metadata(length: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.slots[this.#slot], HEADER_BYTES, HEADER_BYTES + length);
  }

  /** The frame that was read is done with: its slot may be written again. */
  release(): void {
    this.advance();
  }
}

/** Writes frames: `setMetadata`, the header into `view`, then `write`. */
export class RingWriter extends RingEnd {
  readonly #frame = new Uint8Array(SLOT_BYTES);
  /** The beginning of the frame, as long as the last one was. */
  #written = this.#frame;
  /** Where a header is made: nothing is read back from shared memory. */
  readonly view = new DataView(this.#frame.buffer);

  /** Puts metadata into the frame. */
  setMetadata(bytes: Uint8Array): void {
    this.#frame.set(bytes, HEADER_BYTES);
  }

  get isFull(): boolean {
    return this.distance(-1, RING_SLOTS) === RING_SLOTS;
  }

  /** Publishes the frame, which has `metadataBytes` of metadata; the ring must not be full. */
  write(metadataBytes: number): void {
    const length = HEADER_BYTES + metadataBytes;
    if (this.#written.length !== length) this.#written = this.#frame.subarray(0, length);
    (this.slots[this.slotIndex] as Uint8Array).set(this.#written);
    this.advance();
  }
}

/** Who waits for a wake-up, as both sides see it. */
export class WaitFlag {
  readonly #cells: Int32Array;

  constructor(
    region: Uint8Array<ArrayBuffer>,
    private readonly cell: number,
  ) {
    this.#cells = new Int32Array(region.buffer, region.byteOffset, REGION.submissions / 4);
  }

  /** The own side is about to wait; it looks into its ring once more after this. */
  set(): void {
    Atomics.store(this.#cells, this.cell / 4, 1);
  }

  clear(): void {
    Atomics.store(this.#cells, this.cell / 4, 0);
  }

  /** Whether the other side must be woken, once for each time that it waits. */
  take(): boolean {
    return (
      Atomics.load(this.#cells, this.cell / 4) !== 0 &&
      Atomics.compareExchange(this.#cells, this.cell / 4, 1, 0) === 1
    );
  }
}

/** The ends of both rings that are one side's, and both wait flags. */
interface RingEnds<Submissions, Completions> {
  readonly submissions: Submissions;
  readonly completions: Completions;
  readonly workerWaits: WaitFlag;
  readonly clientWaits: WaitFlag;
}

export type WorkerRingEnds = RingEnds<RingReader, RingWriter>;
export type ClientRingEnds = RingEnds<RingWriter, RingReader>;

/** The worker's ends, in a region that is laid out as `REGION` says. */
export const workerRingEnds = (region: Uint8Array<ArrayBuffer>): WorkerRingEnds => ({
  submissions: new RingReader(region, REGION.submissionHead, REGION.submissionTail, REGION.submissions),
  completions: new RingWriter(region, REGION.completionTail, REGION.completionHead, REGION.completions),
  ...waitFlags(region),
});

/** The client's ends of the same. */
export const clientRingEnds = (region: Uint8Array<ArrayBuffer>): ClientRingEnds => ({
  submissions: new RingWriter(region, REGION.submissionTail, REGION.submissionHead, REGION.submissions),
  completions: new RingReader(region, REGION.completionHead, REGION.completionTail, REGION.completions),
  ...waitFlags(region),
});

const waitFlags = (region: Uint8Array<ArrayBuffer>) => ({
  workerWaits: new WaitFlag(region, REGION.workerWaits),
  clientWaits: new WaitFlag(region, REGION.clientWaits),
});
