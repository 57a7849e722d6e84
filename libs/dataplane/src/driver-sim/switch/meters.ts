import type { Clock } from '@outboard/core';
import type { MeterSpec } from '../../driver-ovs/realise/ovs-objects.js';

/** What a frame counts as: frames here have no length, and are taken for full ones of 1500 bytes and an Ethernet header. */
export const FRAME_BITS = 1514 * 8;

interface Bucket {
  /** Bits that may pass. */
  level: number;
  /** Milliseconds of the clock when that was so. */
  at: number;
}

/** Buckets that fill at the rate of their meter, and of which each frame that passes takes its length. */
export class Meters {
  readonly #buckets = new Map<number, Bucket>();

  constructor(private readonly clock: Clock) {}

  /** Whether a frame may pass. */
  pass({ id, rate, burst }: MeterSpec): boolean {
    const now = this.clock.monotonic();
    const full = burst * 1000;
    const { level, at } = this.#buckets.get(id) ?? { level: full, at: now };
    // 1000 bits a second are one in a millisecond.
    const filled = Math.min(full, level + (now - at) * rate);
    const passes = filled >= FRAME_BITS;
    this.#buckets.set(id, { level: passes ? filled - FRAME_BITS : filled, at: now });
    return passes;
  }

  forget(id: number): void {
    this.#buckets.delete(id);
  }

  clear(): void {
    this.#buckets.clear();
  }
}
