/** What has to happen to a key so that what is observed becomes what is wanted. */
export type Pending = 'create' | 'update' | 'delete';

export interface Tracked<Wanted, Observed> {
  readonly wanted: Wanted | undefined;
  readonly observed: Observed | undefined;
}

/**
 * Two maps over the same keys, wanted and observed, and at every moment the difference between them:
 *
 *        wanted            observed
 *      +---------+---------+---------+
 *      | create  | update  | delete  |
 *      |         | or none |         |
 *      +---------+---------+---------+
 *
 * Every call costs one comparison; the difference is never computed from scratch.
 */
export class DeltaTracker<Wanted, Observed> {
  readonly #entries = new Map<string, { wanted: Wanted | undefined; observed: Observed | undefined }>();
  readonly #pending = new Map<string, Pending>();

  /** `same` tells whether what is observed is what is wanted. */
  constructor(private readonly same: (wanted: Wanted, observed: Observed) => boolean) {}

  want(key: string, wanted: Wanted | undefined): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (wanted === undefined) return;
      this.#entries.set(key, { wanted, observed: undefined });
      this.#pending.set(key, 'create');
      return;
    }
    entry.wanted = wanted;
    this.#compare(key, entry);
  }

  observe(key: string, observed: Observed | undefined): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (observed === undefined) return;
      this.#entries.set(key, { wanted: undefined, observed });
      this.#pending.set(key, 'delete');
      return;
    }
    entry.observed = observed;
    this.#compare(key, entry);
  }

  get(key: string): Tracked<Wanted, Observed> | undefined {
    return this.#entries.get(key);
  }

  /** What has to happen to the key; undefined if nothing. */
  pendingOf(key: string): Pending | undefined {
    return this.#pending.get(key);
  }

  get pending(): ReadonlyMap<string, Pending> {
    return this.#pending;
  }

  get size(): number {
    return this.#entries.size;
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  #compare(key: string, entry: { wanted: Wanted | undefined; observed: Observed | undefined }): void {
    const { wanted, observed } = entry;
    if (wanted === undefined && observed === undefined) {
      this.#entries.delete(key);
      this.#pending.delete(key);
    } else if (wanted === undefined) this.#pending.set(key, 'delete');
    else if (observed === undefined) this.#pending.set(key, 'create');
    else if (this.same(wanted, observed)) this.#pending.delete(key);
    else this.#pending.set(key, 'update');
  }
}
