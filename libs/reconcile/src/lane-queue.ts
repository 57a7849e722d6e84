/**
 * Keys that wait for work, each at most once, in lanes: a lower number goes first, and within a lane first come first
 * served. What is told twice is worked off once: the memory is bounded by the number of keys, not of changes.
 */
export class LaneQueue {
  readonly #lanes: Set<string>[];
  readonly #laneOf = new Map<string, number>();

  constructor(laneCount: number) {
    this.#lanes = Array.from({ length: laneCount }, () => new Set());
  }

  get size(): number {
    return this.#laneOf.size;
  }

  /** Puts a key into a lane; one that waits already moves to the more urgent of the two. */
  add(key: string, lane: number): void {
    const current = this.#laneOf.get(key);
    if (current !== undefined) {
      if (current <= lane) return;
      this.#lanes[current]?.delete(key);
    }
    const target = this.#lanes[lane];
    if (target === undefined) throw new RangeError(`lane ${lane} of ${this.#lanes.length}`);
    target.add(key);
    this.#laneOf.set(key, lane);
  }

  has(key: string): boolean {
    return this.#laneOf.has(key);
  }

  /** Takes the key out of its lane; false if it did not wait. */
  delete(key: string): boolean {
    const lane = this.#laneOf.get(key);
    if (lane === undefined) return false;
    this.#lanes[lane]?.delete(key);
    return this.#laneOf.delete(key);
  }

  /** Removes and returns up to `limit` keys, the most urgent first; only of lanes up to `lastLane`, if given. */
  take(limit: number, lastLane = this.#lanes.length - 1): string[] {
    const keys: string[] = [];
    for (const lane of this.#lanes.slice(0, lastLane + 1)) {
      for (const key of lane) {
        if (keys.length >= limit) return keys;
        lane.delete(key);
        this.#laneOf.delete(key);
        keys.push(key);
      }
    }
    return keys;
  }
}
