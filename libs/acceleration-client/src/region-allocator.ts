/** Cache lines are not shared between jobs. */
const ALIGNMENT = 64;

interface Gap {
  offset: number;
  length: number;
}

/** Pieces of shared memory for jobs in flight: the first gap that is large enough, gaps in order of their offsets. */
export class RegionAllocator {
  readonly #gaps: Gap[];

  constructor(from: number, to: number) {
    this.#gaps = [{ offset: from, length: to - from }];
  }

  /** The offset of a piece; undefined: there is none so large now. */
  take(length: number): number | undefined {
    const wanted = aligned(length);
    const index = this.#gaps.findIndex((gap) => gap.length >= wanted);
    const gap = this.#gaps[index];
    if (gap === undefined) return undefined;
    const { offset } = gap;
    gap.offset += wanted;
    gap.length -= wanted;
    if (gap.length === 0) this.#gaps.splice(index, 1);
    return offset;
  }

  /** Gives a piece back that was taken with this length. */
  give(offset: number, length: number): void {
    const size = aligned(length);
    const found = this.#gaps.findIndex((gap) => gap.offset > offset);
    const index = found < 0 ? this.#gaps.length : found;
    const before = this.#gaps[index - 1];
    const after = this.#gaps[index];
    const joinsBefore = before !== undefined && before.offset + before.length === offset;
    const joinsAfter = after !== undefined && offset + size === after.offset;
    if (joinsBefore && joinsAfter) {
      before.length += size + after.length;
      this.#gaps.splice(index, 1);
    } else if (joinsBefore) before.length += size;
    else if (joinsAfter) {
      after.offset = offset;
      after.length += size;
    } else this.#gaps.splice(index, 0, { offset, length: size });
  }
}

const aligned = (length: number): number => Math.max(ALIGNMENT, (length + ALIGNMENT - 1) & ~(ALIGNMENT - 1));
