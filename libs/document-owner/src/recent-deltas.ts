import type { DocumentChange } from './documents/index.js';

/**
 * The last changes of each DPU's document, so that a worker that missed a few gets these instead of everything.
 * At most `perDpu` are kept for a DPU.
 */
export class RecentDeltas {
  readonly #changes = new Map<string, DocumentChange[]>();

  constructor(private readonly perDpu: number) {}

  add(change: DocumentChange): void {
    const list = this.#changes.get(change.dpu) ?? [];
    // A gap makes the earlier ones useless.
    if (list.at(-1)?.sequence !== change.base) list.length = 0;
    list.push(change);
    if (list.length > this.perDpu) list.shift();
    this.#changes.set(change.dpu, list);
  }

  /** The changes that lead from `sequence` to the newest; undefined when they are not all known. */
  since(dpu: string, sequence: number): readonly DocumentChange[] | undefined {
    const list = this.#changes.get(dpu) ?? [];
    const start = list.findIndex(({ base }) => base === sequence);
    return start < 0 ? undefined : list.slice(start);
  }

  clear(): void {
    this.#changes.clear();
  }
}
