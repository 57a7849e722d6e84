import type { AeadKey, EngineOf } from '../engine/engine.js';
import type { KeySlot } from './key-slot.js';

/** One version of a key as one thread uses it: the shared slot, and what the thread's engines have made of the key. */
export class ThreadKeyVersion {
  readonly #opened = new Map<EngineOf<'aead'>, AeadKey>();

  constructor(
    readonly version: number,
    readonly slot: KeySlot,
  ) {}

  /** The key in an engine's form; undefined when it is destroyed, also while it was being opened. */
  open(engine: EngineOf<'aead'>): AeadKey | undefined {
    if (this.slot.isDestroyed()) return undefined;
    const known = this.#opened.get(engine);
    if (known !== undefined) return known;
    const key = engine.open(this.slot.key);
    if (this.slot.isDestroyed()) {
      key[Symbol.dispose]();
      return undefined;
    }
    this.#opened.set(engine, key);
    return key;
  }

  /** Wipes what the engines have made of it. The slot is left to its owner. */
  forget(): void {
    for (const key of this.#opened.values()) key[Symbol.dispose]();
    this.#opened.clear();
  }
}

/** What a thread is told of a key. */
export interface KeyOffer {
  readonly keyUid: string;
  readonly versions: readonly { readonly version: number; readonly memory: SharedArrayBuffer }[];
}

/** A key as one thread uses it. It outlives its versions, so that programs that name it need not be compiled again. */
export class ThreadKey {
  readonly #versions = new Map<number, ThreadKeyVersion>();

  /** Takes new versions over and forgets those that are no longer there. */
  update(versions: readonly ThreadKeyVersion[]): void {
    for (const [version, known] of this.#versions) {
      if (versions.some((each) => each.version === version && each.slot.memory === known.slot.memory))
        continue;
      known.forget();
      this.#versions.delete(version);
    }
    for (const each of versions)
      if (!this.#versions.has(each.version)) this.#versions.set(each.version, each);
  }

  /** The one to make something new with. */
  get active(): ThreadKeyVersion | undefined {
    for (const each of this.#versions.values()) if (each.slot.state === 'ACTIVE') return each;
    return undefined;
  }

  /** The one that something was made with; undefined says nothing: the active one. */
  find(version: number | undefined): ThreadKeyVersion | undefined {
    const found = version === undefined ? this.active : this.#versions.get(version);
    return found?.slot.isDestroyed() ? undefined : found;
  }
}
