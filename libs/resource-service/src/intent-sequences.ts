/** Keys without a row that are remembered: deletions that a stale intent must not undo. */
const MAX_DELETED = 100_000;

/** The stream sequence of the last intent that each key has obeyed, so that a stale one is told from a new one. */
export class IntentSequences {
  readonly #sequences = new Map<string, number>();
  /** Oldest first; those of rows are in the rows as well, these are here only. */
  readonly #deleted = new Set<string>();

  get(key: string): number | undefined {
    return this.#sequences.get(key);
  }

  set(key: string, sequence: number): void {
    this.#sequences.set(key, sequence);
    this.#deleted.delete(key);
  }

  /** The key has no row any more. */
  deleted(key: string): void {
    if (!this.#sequences.has(key)) return;
    this.#deleted.delete(key);
    this.#deleted.add(key);
    const [oldest] = this.#deleted;
    if (this.#deleted.size <= MAX_DELETED || oldest === undefined) return;
    this.#deleted.delete(oldest);
    this.#sequences.delete(oldest);
  }
}
