import type { Change, Mark, ObservedObject, Ownership, Spec } from '../driver.js';
import { linkKey } from '../realise/linux-keys.js';
import type { RepresentorSpec } from '../realise/linux-objects.js';

interface Standing<S extends Spec> {
  readonly spec: S | RepresentorSpec;
  readonly ownership: Ownership;
  readonly within?: string;
}

/**
 * What stands in a kernel or switch in memory. It outlives the drivers that work on it, as a kernel or switch does.
 * Every change is told to those who watch.
 */
export abstract class InMemoryObjects<S extends Spec> {
  readonly #objects = new Map<string, Standing<S>>();
  /** Keys of what cannot be without an object, by its key. */
  readonly #contents = new Map<string, Set<string>>();
  readonly #watchers = new Set<(change: Change) => void>();
  #silent = false;

  get(key: string): ObservedObject<S | RepresentorSpec> | undefined {
    const standing = this.#objects.get(key);
    return standing === undefined ? undefined : { key, ...standing };
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** How many objects stand in it. */
  get size(): number {
    return this.#objects.size;
  }

  /** Puts an object with our mark. */
  put(key: string, spec: S | RepresentorSpec, mark: Mark, within: string | undefined): void {
    const ownership: Ownership = { kind: 'owned', owner: mark.owner };
    this.stand(key, { spec, ownership, ...(within === undefined ? {} : { within }) });
    this.tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Removes an object and whatever cannot be without it, as a kernel does; tells only of the object itself. */
  remove(key: string): void {
    const standing = this.#objects.get(key);
    if (standing === undefined) return;
    this.#objects.delete(key);
    this.#goesOut(key, standing);
    this.left(key, standing.spec);
    for (const other of [...(this.#contents.get(key) ?? [])]) this.remove(other);
    this.tell({ kind: 'objects', changed: [], lost: [key] });
  }

  /** What stands under these keys, and within them, to be restored. */
  noted(keys: readonly string[]): ReadonlyMap<string, Standing<S> | undefined> {
    const noted = new Map(keys.map((key) => [key, this.#objects.get(key)]));
    // A map is gone through with what is added meanwhile: what is within those that are within, too.
    for (const [key] of noted)
      for (const inner of this.#contents.get(key) ?? []) noted.set(inner, this.#objects.get(inner));
    return noted;
  }

  /** Everything noted is as it was then; nobody is told, as nothing has happened. */
  restore(noted: ReadonlyMap<string, Standing<S> | undefined>): void {
    this.silently(() => {
      for (const [key, standing] of [...noted].reverse()) if (standing === undefined) this.remove(key);
      for (const [key, standing] of noted) if (standing !== undefined) this.stand(key, standing);
    });
  }

  /** A device appears: a representor, which nobody has taken yet. */
  plug(name: string, mtu = 1500): void {
    const spec: RepresentorSpec = { kind: 'representor', name, mtu, up: false };
    this.stand(linkKey(name), { spec, ownership: { kind: 'free' } });
    this.tell({ kind: 'functions' });
    this.tell({ kind: 'objects', changed: [linkKey(name)], lost: [] });
  }

  /** A device disappears. */
  abstract unplug(name: string): void;

  /** Gives a device back to nobody. */
  release(key: string, spec: RepresentorSpec): void {
    this.stand(key, { spec, ownership: { kind: 'free' } });
    this.tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Somebody else's object where ours might stand. */
  putForeign(key: string, spec: S, found: string): void {
    this.stand(key, { spec, ownership: { kind: 'foreign', found } });
    this.tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Why an object does not fit any more; undefined: it does. */
  fullness(_key: string, _spec: S | RepresentorSpec): string | undefined {
    return undefined;
  }

  /** Why an object cannot be removed yet: what refers to it. Undefined: nothing is in the way. */
  abstract inTheWayOf(key: string): string | undefined;

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }

  /** Does something of which nobody is told. */
  silently(action: () => void): void {
    this.#silent = true;
    action();
    this.#silent = false;
  }

  /** Tells that something was not told. */
  overrun(): void {
    this.tell({ kind: 'everything' });
  }

  protected tell(change: Change): void {
    if (!this.#silent) for (const watcher of this.#watchers) watcher(change);
  }

  protected *standing(): Iterable<ObservedObject<S | RepresentorSpec>> {
    for (const [key, standing] of this.#objects) yield { key, ...standing };
  }

  /** Puts an object in the place of what may be there. */
  protected stand(key: string, standing: Standing<S>): void {
    const before = this.#objects.get(key);
    if (before !== undefined) {
      this.#goesOut(key, before);
      this.left(key, before.spec);
    }
    this.#objects.set(key, standing);
    if (standing.within !== undefined) {
      const contents = this.#contents.get(standing.within);
      if (contents === undefined) this.#contents.set(standing.within, new Set([key]));
      else contents.add(key);
    }
    this.came(key, standing.spec);
  }

  #goesOut(key: string, { within }: Standing<S>): void {
    const contents = within === undefined ? undefined : this.#contents.get(within);
    if (within === undefined || contents === undefined) return;
    contents.delete(key);
    if (contents.size === 0) this.#contents.delete(within);
  }

  /** An object is there from now on. */
  protected came(_key: string, _spec: S | RepresentorSpec): void {}

  /** An object is there no more. */
  protected left(_key: string, _spec: S | RepresentorSpec): void {}

  protected clear(): void {
    this.#objects.clear();
    this.#contents.clear();
  }
}

export const isRepresentor = (spec: Spec): spec is RepresentorSpec => spec.kind === 'representor';
