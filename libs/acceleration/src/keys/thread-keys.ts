import type { AeadKey, EngineOf } from '../engine/engine.js';
import type { KeySlot, NoCounters } from './key-slot.js';

/** So that threads seldom meet at the shared counter. */
const COUNTERS_AT_ONCE = 256;

/** One version of a key as one thread uses it: the shared slot, and what the thread's engines have made of the key. */
export class ThreadKeyVersion {
  readonly #opened = new Map<EngineOf<'aead'>, AeadKey>();
  /** The rest of the counters that this thread has taken: the high and low halves of the next one, and how many. */
  readonly nonces = { high: 0, low: 0, left: 0 };

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

  /** Fills `nonce` (12 bytes): the slot's prefix and a counter, big endian, that nobody else uses. */
  takeNonce(nonce: Uint8Array): 'TAKEN' | NoCounters {
    const outcome = this.haveNonces();
    if (outcome !== 'TAKEN') return outcome;
    const { nonces } = this;
    putU32(nonce, 0, this.slot.noncePrefix);
    putU32(nonce, 4, nonces.high);
    putU32(nonce, 8, nonces.low);
    nonces.left--;
    nonces.low = (nonces.low + 1) >>> 0;
    if (nonces.low === 0) nonces.high++;
    return 'TAKEN';
  }

  /** TAKEN: `nonces` has at least one, for whoever uses them up in order. */
  haveNonces(): 'TAKEN' | NoCounters {
    if (this.nonces.left > 0) return 'TAKEN';
    const range = this.slot.takeCounters(COUNTERS_AT_ONCE);
    if (typeof range === 'string') return range;
    this.nonces.high = Number(range.first >> 32n);
    this.nonces.low = Number(range.first & 0xffff_ffffn);
    this.nonces.left = range.count;
    return 'TAKEN';
  }

  /** Wipes what the engines have made of it. The slot is left to its owner. */
  forget(): void {
    for (const key of this.#opened.values()) key[Symbol.dispose]();
    this.#opened.clear();
  }
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** What a thread is told of a key. */
export interface KeyOffer {
  readonly keyUid: string;
  readonly versions: readonly { readonly version: number; readonly memory: SharedArrayBuffer }[];
}

/** A key as one thread uses it. It outlives its versions, so that programs that name it need not be compiled again. */
export class ThreadKey {
  readonly #versions = new Map<number, ThreadKeyVersion>();
  /** The one that was active when it was asked for last. */
  #active: ThreadKeyVersion | undefined;

  /** Takes new versions over and forgets those that are no longer there. */
  update(versions: readonly ThreadKeyVersion[]): void {
    for (const [version, known] of this.#versions) {
      if (versions.some((each) => each.version === version && each.slot.memory === known.slot.memory))
        continue;
      known.forget();
      this.#versions.delete(version);
      if (known === this.#active) this.#active = undefined;
    }
    for (const each of versions)
      if (!this.#versions.has(each.version)) this.#versions.set(each.version, each);
  }

  /** The one to make something new with. */
  get active(): ThreadKeyVersion | undefined {
    if (this.#active?.slot.state === 'ACTIVE') return this.#active;
    this.#active = undefined;
    for (const each of this.#versions.values()) if (each.slot.state === 'ACTIVE') this.#active = each;
    return this.#active;
  }

  /** The one that something was made with; undefined says nothing: the active one. */
  find(version: number | undefined): ThreadKeyVersion | undefined {
    const found = version === undefined ? this.active : this.#versions.get(version);
    return found?.slot.isDestroyed() ? undefined : found;
  }
}
