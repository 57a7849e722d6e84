import { MAXIMUM_TRANSFER } from '../wire/frame.js';

export const PAGE = 4096;

/**
 * Memory of a thread in which steps hand data on: it has one job at a time.
 *
 * What is copied between it and shared memory is half a page further in its page than there. Processors of AMD, at least
 * Zen 3 and 4, copy ten times as slowly by `rep movsb`, which is how the C library does it, when the destination is 1 to 31
 * bytes further in its page than the source, whichever pages these are. Without this that was so for every job: shared
 * memory begins with a page, and what is allocated here 16 bytes behind the beginning of one.
 */
export class Scratch {
  readonly #buffers: Uint8Array[] = [];

  /**
   * One of three; the one with the data that is read is never the one that is asked for. `partner`: of memory that begins
   * with a page, what it is going to be copied from or to.
   */
  buffer(index: 0 | 1 | 2, partner: Uint8Array): Uint8Array {
    this.#buffers[index] ??= new Uint8Array(MAXIMUM_TRANSFER + PAGE);
    const from = (partner.byteOffset + PAGE / 2) % PAGE;
    return (this.#buffers[index] as Uint8Array).subarray(from, from + MAXIMUM_TRANSFER);
  }
}
