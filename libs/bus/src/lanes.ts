import type { Clock } from '@outboard/core';

interface Lane<Item> {
  readonly key: string;
  /** What waits behind the running item, by sequence. Absent as long as nothing ever waited: the usual case. */
  queue: Item[] | undefined;
  running: boolean;
  /** Queued for a free place among the running lanes. */
  ready: boolean;
  /** Sequence of the item that was given back and is expected again: nothing later may overtake it. */
  awaited: number | undefined;
  patience: Disposable | undefined;
  /** What of this lane is counted in `#heldBack`. */
  heldBack: number;
}

/** How the run of an item ended: for good, or with a redelivery that the lane waits for. */
export type RunEnd =
  | 'settled'
  | {
      readonly awaitMilliseconds: number;
      /** Asks for the redelivery. Called when the lane is ready for it: it may come at once. */
      giveBack(): void;
    };

export interface LanesOptions<Item> {
  /** Items run at the same time. */
  readonly maxRunning: number;
  readonly clock: Clock;
  /** Must not reject. */
  run(item: Item): Promise<RunEnd>;
  /** Called after every end of a run. */
  ended(): void;
}

/**
 * Runs items of one key one after the other in the order of their sequences, items of different keys in parallel. An
 * item that was given back keeps its place: what follows it in its lane is held back until it returns, or until
 * patience ends (it may have gone elsewhere). No I/O, no knowledge of what an item is.
 */
export class Lanes<Item extends { readonly sequence: number }> {
  readonly #options: LanesOptions<Item>;
  readonly #lanes = new Map<string, Lane<Item>>();
  readonly #held = new Map<number, Item>();
  readonly #ready: Lane<Item>[] = [];
  #running = 0;
  #heldBack = 0;
  #closed = false;

  constructor(options: LanesOptions<Item>) {
    this.#options = options;
  }

  /** Items held, running or waiting, by sequence. */
  get held(): ReadonlyMap<number, Item> {
    return this.#held;
  }

  get running(): number {
    return this.#running;
  }

  /** Items held that run or will run without waiting for a redelivery. */
  get active(): number {
    return this.#held.size - this.#heldBack;
  }

  /** Takes an item over; false when its sequence is held already. */
  add(key: string, item: Item): boolean {
    if (this.#held.has(item.sequence)) return false;
    this.#held.set(item.sequence, item);
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = {
        key,
        queue: undefined,
        running: false,
        ready: false,
        awaited: undefined,
        patience: undefined,
        heldBack: 0,
      };
      this.#lanes.set(key, lane);
      if (this.#running < this.#options.maxRunning) {
        this.#start(lane, item);
        return true;
      }
    }
    if (lane.awaited === item.sequence) endWait(lane);
    insert(lane, item);
    this.#advance(lane);
    return true;
  }

  /** Stops starting items. Gives back what was held and not running, by sequence. */
  close(): Item[] {
    this.#closed = true;
    const waiting: Item[] = [];
    for (const lane of this.#lanes.values()) {
      waiting.push(...(lane.queue ?? []));
      lane.queue = undefined;
      endWait(lane);
    }
    for (const { sequence } of waiting) this.#held.delete(sequence);
    return waiting.sort((one, other) => one.sequence - other.sequence);
  }

  #advance(lane: Lane<Item>): void {
    const next = lane.queue?.[0];
    const blocked = lane.awaited !== undefined && (next === undefined || next.sequence > lane.awaited);
    const heldBack = blocked ? (lane.queue?.length ?? 0) : 0;
    this.#heldBack += heldBack - lane.heldBack;
    lane.heldBack = heldBack;
    if (lane.running || lane.ready) return;
    if (next === undefined) {
      if (lane.awaited === undefined) this.#lanes.delete(lane.key);
    } else if (!blocked) {
      if (this.#running < this.#options.maxRunning) {
        lane.queue?.shift();
        this.#start(lane, next);
      } else {
        lane.ready = true;
        this.#ready.push(lane);
      }
    }
  }

  #start(lane: Lane<Item>, item: Item): void {
    lane.running = true;
    this.#running++;
    this.#options.run(item).then((end) => this.#end(lane, item, end));
  }

  #end(lane: Lane<Item>, item: Item, end: RunEnd): void {
    lane.running = false;
    this.#running--;
    this.#held.delete(item.sequence);
    if (end !== 'settled') {
      if (!this.#closed) this.#await(lane, item.sequence, end.awaitMilliseconds);
      end.giveBack();
    }
    // Lanes that wait for a place come before the next item of this one: a long lane must not starve the others.
    const next = this.#ready.shift();
    if (next) {
      next.ready = false;
      this.#advance(next);
    }
    this.#advance(lane);
    this.#options.ended();
  }

  #await(lane: Lane<Item>, sequence: number, milliseconds: number): void {
    endWait(lane);
    lane.awaited = sequence;
    lane.patience = this.#options.clock.schedule(milliseconds, () => {
      endWait(lane);
      this.#advance(lane);
      this.#options.ended();
    });
  }
}

function endWait<Item>(lane: Lane<Item>): void {
  lane.patience?.[Symbol.dispose]();
  lane.patience = undefined;
  lane.awaited = undefined;
}

function insert<Item extends { readonly sequence: number }>(lane: Lane<Item>, item: Item): void {
  lane.queue ??= [];
  let index = lane.queue.length;
  while (index > 0 && (lane.queue[index - 1]?.sequence ?? 0) > item.sequence) index--;
  lane.queue.splice(index, 0, item);
}
