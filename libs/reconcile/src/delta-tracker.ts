/** What has to happen to a key so that what is observed becomes what is wanted. */
export type Pending = 'create' | 'update' | 'delete';

/** One key: what is wanted of it, what is observed, and the difference. Changed by its tracker alone. */
export class Tracked<Wanted, Observed> {
  wanted: Wanted | undefined = undefined;
  observed: Observed | undefined = undefined;
  pending: Pending | undefined = undefined;

  constructor(readonly key: string) {}
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
 * Every call costs one comparison; the difference is never computed from scratch. Entries are of the caller's own
 * class, so that it can keep with a key whatever else it knows about it.
 */
export class DeltaTracker<Wanted, Observed, Entry extends Tracked<Wanted, Observed>> {
  readonly #entries = new Map<string, Entry>();

  /** `same` tells whether what is observed is what is wanted; `keep` what to keep of it if so. */
  constructor(
    private readonly same: (wanted: Wanted, observed: Observed) => boolean,
    private readonly create: (key: string) => Entry,
    private readonly keep: (wanted: Wanted, observed: Observed) => Observed = (_, observed) => observed,
  ) {}

  /** The entry of a key, a new one if nothing is known of it: to be told at once what is wanted or observed. */
  at(key: string): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry = this.create(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Undefined: it is not wanted any more. An entry that is neither wanted nor observed is forgotten. */
  want(entry: Entry, wanted: Wanted | undefined): void {
    entry.wanted = wanted;
    this.#compare(entry);
  }

  /** Undefined: it is not there. An entry that is neither wanted nor observed is forgotten. */
  observe(entry: Entry, observed: Observed | undefined): void {
    entry.observed = observed;
    this.#compare(entry);
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  #compare(entry: Entry): void {
    const { wanted, observed } = entry;
    if (wanted === undefined) {
      entry.pending = observed === undefined ? undefined : 'delete';
      if (observed === undefined) this.#entries.delete(entry.key);
    } else if (observed === undefined) entry.pending = 'create';
    else if (this.same(wanted, observed)) {
      entry.pending = undefined;
      entry.observed = this.keep(wanted, observed);
    } else entry.pending = 'update';
  }
}
