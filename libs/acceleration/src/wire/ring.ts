import { FIELD, HEADER_BYTES } from './frame.js';

/** Slots of a ring; a power of two. */
export const RING_SLOTS = 64;
/** A header and its metadata. */
export const SLOT_BYTES = 256;
/** Frames after which one side shows the other how far it is: each time takes a cache line from the other's core. */
const SLOTS_SHOWN_TOGETHER = 4;
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
  /** The own counter, as the other side sees it. */
  #shown = 0;
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

  /** Own counter: frames that were read, or written. */
  get counter(): number {
    return this.position;
  }

  /** Native code has gone on to there. */
  protected goTo(counter: number, sign: 1 | -1, useless: number): void {
    this.position = counter;
    this.#seen = (counter + sign * useless) >>> 0;
  }

  /** Of the slot where the next frame is, or goes. */
  protected get slotIndex(): number {
    return this.position % RING_SLOTS;
  }

  /** Shows the other side how far this one is. */
  show(): void {
    if (this.#shown === this.position) return;
    this.#shown = this.position;
    Atomics.store(this.cells, this.ownCell / 4, this.position | 0);
  }

  /** True: enough are not shown yet for it to be worth while. */
  protected advance(): boolean {
    this.position = (this.position + 1) >>> 0;
    return (this.position - this.#shown) >>> 0 >= SLOTS_SHOWN_TOGETHER;
  }
}

/**
 * Reads frames. Each cache line of a slot comes from the other side's core and costs as much as a hundred calls: no more of
 * them are touched than a frame has.
 */
export class RingReader extends RingEnd {
  readonly #copy = new Int32Array(HEADER_WORDS);
  readonly #headers = this.slots.map(headerWords);
  #slot = 0;
  /** The header of the frame that `read` found. */
  readonly view = new DataView(this.#copy.buffer);

  /** Whether there is a frame, its header now in `view`: a copy, which nobody else can change. */
  read(): boolean {
    if (this.isEmpty) return false;
    this.#slot = this.slotIndex;
    copyHeader(this.#headers[this.#slot] as Int32Array, this.#copy);
    return true;
  }

  /** Whether there is no frame. If so, all that was read is shown to have been: the other side may wait for room. */
  get isEmpty(): boolean {
    if (this.distance(1, 0) > 0) return false;
    this.show();
    return true;
  }

  /** `length` bytes of metadata of the frame that was read, in memory of its own. */
  metadata(length: number): Uint8Array {
    return Uint8Array.prototype.slice.call(this.slots[this.#slot], HEADER_BYTES, HEADER_BYTES + length);
  }

  /** The program of the frame that comes next, if it is a job: whoever goes by it looks again at what was copied. */
  get nextProgram(): number {
    return (this.#headers[this.slotIndex]?.[FIELD.program / 4] ?? 0) & 0xffff;
  }

  /** Native code has read, and is done with, all frames before this one. */
  wasReadUpTo(counter: number): void {
    this.goTo(counter, 1, 0);
    this.show();
  }

  /** The frame that was read is done with: its slot may be written again, a little later. */
  release(): void {
    if (this.advance()) this.show();
  }
}

/** Writes frames: the header into `view`, then `write`; after some of them `show`. */
export class RingWriter extends RingEnd {
  readonly #header = new Int32Array(HEADER_WORDS);
  readonly #headers = this.slots.map(headerWords);
  /** Where a header is made: nothing is read back from shared memory. */
  readonly view = new DataView(this.#header.buffer);

  get isFull(): boolean {
    return this.distance(-1, RING_SLOTS) === RING_SLOTS;
  }

  /** Native code has written all frames before this one. */
  wasWrittenUpTo(counter: number): void {
    this.goTo(counter, -1, RING_SLOTS);
  }

  /**
   * Writes the frame, with at most `SLOT_METADATA` bytes of metadata, for the other side to see after `show`; the ring must
   * not be full. True: so many wait for that that it is worth while.
   */
  write(metadata: Uint8Array): boolean {
    const slot = this.slotIndex;
    copyHeader(this.#header, this.#headers[slot] as Int32Array);
    if (metadata.length > 0) (this.slots[slot] as Uint8Array).set(metadata, HEADER_BYTES);
    return this.advance();
  }
}

const HEADER_WORDS = HEADER_BYTES / 4;

const headerWords = (slot: Uint8Array): Int32Array =>
  new Int32Array(slot.buffer, slot.byteOffset, HEADER_WORDS);

/** Faster than `set` for so few. */
function copyHeader(from: Int32Array, to: Int32Array): void {
  for (let index = 0; index < HEADER_WORDS; index++) to[index] = from[index] as number;
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
