import { invariant } from '@outboard/core';
import { addressOf } from '@outboard/ffi';
import { MAXIMUM_KEY_BYTES } from '../engine/algorithms.js';

/** What may be done with a key: nothing, everything, or only what needs no new nonce. */
export type KeyState = 'DESTROYED' | 'ACTIVE' | 'DECRYPT_ONLY';

const STATES: readonly KeyState[] = ['DESTROYED', 'ACTIVE', 'DECRYPT_ONLY'];

/** Counters that are reserved at one time; a restart skips what is left of them. */
export const NONCE_BLOCK = 1n << 20n;

const OFFSET = { state: 0, prefix: 4, refill: 8, keyLength: 12, counter: 16, reserved: 24, end: 32, key: 40 };
const SLOT_BYTES = OFFSET.key + MAXIMUM_KEY_BYTES;

/** Why there is no counter. EXHAUSTED: the key has done all that it may; WAIT: more are being reserved. */
export type NoCounters = 'WAIT' | 'EXHAUSTED';

/** Counters that nobody else has: `count` of them from `first` on. */
export interface CounterRange {
  readonly first: bigint;
  readonly count: number;
}

/**
 * One version of a key in memory that all threads of the process share and no garbage collector moves or copies: zeroing
 * it takes the key away from all of them at once. The counter of its nonces is there too, so that no two threads use one.
 */
export class KeySlot {
  readonly #words: Int32Array;
  readonly #counters: BigInt64Array;
  #stateAddress: number | undefined;

  private constructor(
    /** To be given to another thread, which attaches to it. */
    readonly memory: SharedArrayBuffer,
  ) {
    this.#words = new Int32Array(memory, 0, 4);
    this.#counters = new BigInt64Array(memory, OFFSET.counter, 3);
  }

  /** A slot with room for a key of `length` bytes, which the caller writes into `key`. */
  static create(length: number, noncePrefix: number): KeySlot {
    invariant(length > 0 && length <= MAXIMUM_KEY_BYTES, 'a key has a length that fits its slot');
    const slot = new KeySlot(new SharedArrayBuffer(SLOT_BYTES));
    slot.#words[OFFSET.prefix / 4] = noncePrefix | 0;
    slot.#words[OFFSET.keyLength / 4] = length;
    return slot;
  }

  static attach(memory: SharedArrayBuffer): KeySlot {
    return new KeySlot(memory);
  }

  /** Where native code finds an int32 that is 1 as long as the key is ACTIVE. */
  get stateAddress(): number {
    this.#stateAddress ??= addressOf(this.#words);
    return this.#stateAddress;
  }

  /** The key in place: zeros when it was destroyed. */
  get key(): Uint8Array {
    return new Uint8Array(this.memory, OFFSET.key, this.#words[OFFSET.keyLength / 4]);
  }

  get state(): KeyState {
    return STATES[Atomics.load(this.#words, OFFSET.state)] ?? 'DESTROYED';
  }

  set state(state: KeyState) {
    Atomics.store(this.#words, OFFSET.state, STATES.indexOf(state));
  }

  /** Also while it was being used: whoever used it asks afterwards. */
  isDestroyed(): boolean {
    return this.state === 'DESTROYED';
  }

  /** Counters up to `reserved` may be used (whoever calls this has written that down); those from `end` on never. */
  reserve(counter: bigint, reserved: bigint, end: bigint): void {
    Atomics.store(this.#counters, 2, end);
    Atomics.store(this.#counters, 0, counter);
    Atomics.store(this.#counters, 1, reserved);
  }

  /** Allows more counters, and a next request for more. */
  raise(reserved: bigint): void {
    Atomics.store(this.#counters, 1, reserved);
    Atomics.store(this.#words, OFFSET.refill / 4, 0);
  }

  /** The next counter that nobody has used. */
  get counter(): bigint {
    return Atomics.load(this.#counters, 0);
  }

  /** u32: the first four bytes of every nonce. */
  get noncePrefix(): number {
    return (this.#words[OFFSET.prefix / 4] ?? 0) >>> 0;
  }

  /** Up to `wanted` counters, at least one. No two calls, in whatever threads, give the same. */
  takeCounters(wanted: number): CounterRange | NoCounters {
    for (;;) {
      const first = Atomics.load(this.#counters, 0);
      const end = Atomics.load(this.#counters, 2);
      const reserved = Atomics.load(this.#counters, 1);
      if (first >= end) return 'EXHAUSTED';
      if (first >= reserved) return 'WAIT';
      const left = (end < reserved ? end : reserved) - first;
      const count = left < BigInt(wanted) ? Number(left) : wanted;
      if (Atomics.compareExchange(this.#counters, 0, first, first + BigInt(count)) === first)
        return { first, count };
    }
  }

  /** True once for each time that more counters should be reserved: half of the last ones are used. */
  takeRefillRequest(): boolean {
    const left = Atomics.load(this.#counters, 1) - Atomics.load(this.#counters, 0);
    return left < NONCE_BLOCK / 2n && Atomics.compareExchange(this.#words, OFFSET.refill / 4, 0, 1) === 0;
  }

  /** Nobody can use it any more, and its bytes are gone. */
  destroy(): void {
    this.state = 'DESTROYED';
    this.key.fill(0);
  }
}
