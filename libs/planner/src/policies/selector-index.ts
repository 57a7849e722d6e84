import { type LabelSelector, type Labels, selectsLabels } from '@outboard/model';

interface Entry<Owner> {
  readonly selector: LabelSelector;
  readonly owner: Owner;
}

/** Labels that one of must be there for the selector to hold; undefined: it holds without any that are known. */
function anchorsOf({ matchLabels, matchExpressions }: LabelSelector): readonly string[] | undefined {
  const [pair] = Object.entries(matchLabels);
  if (pair) return [anchor(...pair)];
  const among = matchExpressions.find(({ operator }) => operator === 'In');
  return among && [...new Set(among.values)].map((value) => anchor(among.key, value));
}

/** A label as one text. Keys contain no `=`. */
const anchor = (key: string, value: string): string => `${key}=${value}`;

/** Finds those whose selectors hold for given labels, without trying all that need labels which are not given. */
export class SelectorIndex<Owner> {
  readonly #anchored = new Map<string, Set<Entry<Owner>>>();
  readonly #others = new Set<Entry<Owner>>();
  readonly #entries = new Map<Owner, Entry<Owner>>();

  add(owner: Owner, selector: LabelSelector): void {
    const entry = { owner, selector };
    this.#entries.set(owner, entry);
    for (const set of this.#setsOf(selector)) set.add(entry);
  }

  remove(owner: Owner): void {
    const entry = this.#entries.get(owner);
    if (!entry) return;
    this.#entries.delete(owner);
    for (const set of this.#setsOf(entry.selector)) set.delete(entry);
    for (const key of anchorsOf(entry.selector) ?? []) {
      if (this.#anchored.get(key)?.size === 0) this.#anchored.delete(key);
    }
  }

  *selecting(labels: Labels): Generator<Owner> {
    if (this.#entries.size === 0) return;
    const seen = new Set<Entry<Owner>>();
    const candidates = [
      this.#others,
      ...Object.entries(labels).map((pair) => this.#anchored.get(anchor(...pair)) ?? []),
    ];
    for (const entries of candidates) {
      for (const entry of entries) {
        if (seen.has(entry) || !selectsLabels(entry.selector, labels)) continue;
        seen.add(entry);
        yield entry.owner;
      }
    }
  }

  #setsOf(selector: LabelSelector): readonly Set<Entry<Owner>>[] {
    return (
      anchorsOf(selector)?.map((key) => {
        const set = this.#anchored.get(key) ?? new Set();
        this.#anchored.set(key, set);
        return set;
      }) ?? [this.#others]
    );
  }
}

/** Finds what has labels by a selector, without trying all where the selector needs a label. */
export class LabelIndex<Item> {
  readonly #all = new Map<Item, Labels>();
  readonly #byLabel = new Map<string, Set<Item>>();

  put(item: Item, labels: Labels): void {
    this.remove(item);
    this.#all.set(item, labels);
    for (const pair of Object.entries(labels)) {
      const items = this.#byLabel.get(anchor(...pair));
      if (items) items.add(item);
      else this.#byLabel.set(anchor(...pair), new Set([item]));
    }
  }

  remove(item: Item): void {
    for (const pair of Object.entries(this.#all.get(item) ?? {})) {
      const items = this.#byLabel.get(anchor(...pair));
      items?.delete(item);
      if (items?.size === 0) this.#byLabel.delete(anchor(...pair));
    }
    this.#all.delete(item);
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  *selectedBy(selector: LabelSelector): Generator<Item> {
    const anchors = anchorsOf(selector);
    const candidates = anchors?.map((key) => this.#byLabel.get(key) ?? []) ?? [this.#all.keys()];
    // An item has one value of a key, so that no two sets of candidates have it.
    for (const items of candidates) {
      for (const item of items) if (selectsLabels(selector, this.#all.get(item) ?? {})) yield item;
    }
  }
}
