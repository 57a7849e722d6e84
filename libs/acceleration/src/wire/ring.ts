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
  readonly #slots: Uint8Array[];

  constructor(
    region: Uint8Array<ArrayBuffer>,
    private readonly ownCell: number,
    private readonly otherCell: number,
    slots: number,
  ) {
    this.#slots = Array.from({ length: RING_SLOTS }, (_, index) => {
      const at = slots + index * SLOT_BYTES;
      return region.subarray(at, at + SLOT_BYTES);
    });
    this.cells = new Int32Array(region.buffer, region.byteOffset, REGION.submissions / 4);
  }

  /** How far the other counter is ahead of the own one, or behind it. */
  protected distance(sign: 1 | -1): number {
    const other = Atomics.load(this.cells, this.otherCell / 4) >>> 0;
    const distance = (sign === 1 ? other - this.position : this.position - other) >>> 0;
    if (distance > RING_SLOTS) throw new RingBroken(`a ring of ${RING_SLOTS} has ${distance} frames`);
    return distance;
  }

  /** Where the next frame is, or goes. */
  protected get slot(): Uint8Array {
    return this.#slots[this.position % RING_SLOTS] as Uint8Array;
  }

  protected advance(): void {
    this.position = (this.position + 1) >>> 0;
    Atomics.store(this.cells, this.ownCell / 4, this.position | 0);
  }
}

export class RingReader extends RingEnd {
  readonly #copy = new Uint8Array(SLOT_BYTES);
  /** The frame that `read` found. */
  readonly view = new DataView(this.#copy.buffer);

  /** Whether there is a frame, now in `view`: a copy, which nobody else can change. */
  read(): boolean {
    if (this.distance(1) === 0) return false;
    this.#copy.set(this.slot);
    this.advance();
    return true;
  }

  get isEmpty(): boolean {
    return this.distance(1) === 0;
  }

  /** Metadata of the frame in `view`, in memory of its own. */
  metadata(length: number): Uint8Array {
    return this.#copy.slice(HEADER_BYTES, HEADER_BYTES + length);
  }
}

export class RingWriter extends RingEnd {
  readonly #frame = new Uint8Array(SLOT_BYTES);
  /** Where a frame is made: nothing is read back from shared memory. */
  readonly view = new DataView(this.#frame.buffer);

  /** Puts metadata into the frame. */
  setMetadata(bytes: Uint8Array): void {
    this.#frame.set(bytes, HEADER_BYTES);
  }

  get isFull(): boolean {
    return this.distance(-1) === RING_SLOTS;
  }

  /** Publishes the frame; the ring must not be full. */
  write(): void {
    this.slot.set(this.#frame);
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
