/** Something that can wait in a `LaneQueue`: it notes itself where, so that the queue needs no index of its own. */
export interface Queued {
  /** Changed by the queue alone; -1: it does not wait. */
  lane: number;
}

/**
 * Items that wait for work, each at most once, in lanes: a lower number goes first, and within a lane first come first
 * served. What is told twice is worked off once: the memory is bounded by the number of items, not of changes.
 */
export class LaneQueue<Item extends Queued> {
  readonly #lanes: Lane<Item>[];
  #size = 0;

  constructor(laneCount: number) {
    this.#lanes = Array.from({ length: laneCount }, () => ({ items: [], next: 0 }));
  }

  get size(): number {
    return this.#size;
  }

  /** Puts an item into a lane; one that waits already moves to the more urgent of the two. */
  add(item: Item, lane: number): void {
    if (item.lane >= 0 && item.lane <= lane) return;
    const target = this.#lanes[lane];
    if (target === undefined) throw new RangeError(`lane ${lane} of ${this.#lanes.length}`);
    if (item.lane < 0) this.#size++;
    // Where it moved from, it stays until that place comes up and is found to be out of date.
    item.lane = lane;
    target.items.push(item);
  }

  /** Takes the item out; false if it did not wait. */
  delete(item: Item): boolean {
    if (item.lane < 0) return false;
    item.lane = -1;
    this.#size--;
    return true;
  }

  /** Removes and returns up to `limit` items, the most urgent first; only of lanes up to `lastLane`, if given. */
  take(limit: number, lastLane = this.#lanes.length - 1): Item[] {
    const taken: Item[] = [];
    for (let number = 0; number <= lastLane && taken.length < limit; number++) {
      const lane = this.#lanes[number];
      if (lane === undefined) break;
      while (lane.next < lane.items.length && taken.length < limit) {
        const item = lane.items[lane.next++];
        if (item === undefined || item.lane !== number) continue;
        item.lane = -1;
        this.#size--;
        taken.push(item);
      }
      // What was looked at is let go now and then, so that a lane that is never empty does not grow.
      if (lane.next === lane.items.length || lane.next > COMPACT_AFTER) {
        lane.items.splice(0, lane.next);
        lane.next = 0;
      }
    }
    return taken;
  }
}

const COMPACT_AFTER = 10_000;

interface Lane<Item> {
  items: Item[];
  /** Position of the first that was not looked at. */
  next: number;
}
