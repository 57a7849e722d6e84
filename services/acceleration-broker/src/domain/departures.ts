import type { Name } from '@outboard/model';
import type { Leaving } from './records.js';

/** In place of a DPU's name, which it cannot be: nobody knows which one. */
export const ANY_DPU = '*';

/**
 * Which DPUs have let go what has left their documents, as far as this process knows: what it has forgotten is found
 * out again.
 */
export class Departures {
  /** By DPU, or `ANY_DPU`: whatever left with that sequence of the document or before is gone from there. */
  readonly #gone = new Map<string, number>();
  /** By DPU: the sequence with which a session left last. */
  readonly #left = new Map<Name, number>();

  /** @param loaded nothing is known of what left a document with that sequence or before. */
  constructor(private readonly loaded: number) {}

  /** A session has left a DPU's document with that sequence. Returns what takes that back. */
  left(dpu: Name, sequence: number): () => void {
    const before = this.#left.get(dpu);
    // A DPU that is not known any more has a document of sequence 0: that proves nothing.
    this.#left.set(dpu, Math.max(sequence, this.lastLeft(dpu)));
    return () => {
      if (before === undefined) this.#left.delete(dpu);
      else this.#left.set(dpu, before);
    };
  }

  /** The sequence that a worker must have applied so that it serves nothing that is to be served elsewhere. */
  lastLeft(dpu: Name): number {
    return this.#left.get(dpu) ?? this.loaded;
  }

  /** A DPU serves nothing any more that left its document with that sequence or before. */
  letGo(dpu: string, sequence: number): void {
    this.#gone.set(dpu, Math.max(sequence, this.#gone.get(dpu) ?? 0));
  }

  isGone({ dpu = ANY_DPU as Name, sequence }: Leaving): boolean {
    return sequence <= (this.#gone.get(dpu) ?? -1);
  }
}
