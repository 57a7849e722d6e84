import type { Change, Mark, ObservedObject, Ownership } from '../driver.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { linkKey } from '../realise/linux-objects.js';

interface Standing {
  readonly spec: LinuxSpec;
  readonly ownership: Ownership;
  readonly within?: string;
  /** It goes when one of these goes. */
  readonly after: readonly string[];
}

/** What stands in a machine's kernel, in memory: it outlives the drivers that work on it, as a kernel does. */
export class MemoryKernel {
  readonly #objects = new Map<string, Standing>();
  readonly #watchers = new Set<(change: Change) => void>();
  #silent = false;

  get(key: string): ObservedObject<LinuxSpec> | undefined {
    const standing = this.#objects.get(key);
    if (standing === undefined) return undefined;
    const { spec, ownership, within } = standing;
    return { key, spec, ownership, ...(within === undefined ? {} : { within }) };
  }

  keys(): string[] {
    return [...this.#objects.keys()];
  }

  /** Puts an object with our mark; tells the watchers. */
  put(key: string, spec: LinuxSpec, mark: Mark, after: readonly string[], within: string | undefined): void {
    const ownership: Ownership = { kind: 'owned', owner: mark.owner };
    this.#objects.set(key, { spec, ownership, after, ...(within === undefined ? {} : { within }) });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Removes an object and whatever cannot be without it, as a kernel does; tells only of the object itself. */
  remove(key: string): void {
    if (!this.#objects.delete(key)) return;
    for (const [other, { within }] of this.#objects) if (within === key) this.remove(other);
    this.#tell({ kind: 'objects', changed: [], lost: [key] });
  }

  /** A device appears: a representor. */
  plug(name: string, mtu = 1500): void {
    const spec: LinuxSpec = { kind: 'representor', name, mtu, up: false };
    this.#objects.set(linkKey(name), { spec, ownership: { kind: 'free' }, after: [] });
    this.#tell({ kind: 'functions' });
    this.#tell({ kind: 'objects', changed: [linkKey(name)], lost: [] });
  }

  /** A device disappears, and what was attached to it. */
  unplug(name: string): void {
    this.remove(`gate/${name}`);
    this.remove(linkKey(name));
    this.#tell({ kind: 'functions' });
  }

  /** Gives a device back to nobody. */
  release(key: string, spec: LinuxSpec): void {
    this.#objects.set(key, { spec, ownership: { kind: 'free' }, after: [] });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

  /** Somebody else's object where ours might stand. */
  putForeign(key: string, spec: LinuxSpec, found: string): void {
    this.#objects.set(key, { spec, ownership: { kind: 'foreign', found }, after: [] });
    this.#tell({ kind: 'objects', changed: [key], lost: [] });
  }

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
    this.#tell({ kind: 'everything' });
  }

  #tell(change: Change): void {
    if (!this.#silent) for (const watcher of this.#watchers) watcher(change);
  }
}
