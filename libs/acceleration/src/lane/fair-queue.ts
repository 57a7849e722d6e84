import { Fifo } from './fifo.js';

/** One of those who share: its jobs wait in the order in which they came. */
export interface Flow<Item> {
  weight: number;
  /** How far it has got, in cost by weight: who has got least is next. */
  virtualTime: number;
  readonly waiting: Fifo<Item>;
  /** It has jobs that wait, and a place among those who have. */
  queued: boolean;
}

/**
 * Weighted fair queueing by what jobs really cost (start-time fair queueing, Goyal, Vin and Cheng 1996, charged after the
 * fact): flows that always have jobs get the engine in proportion to their weights, however long their jobs are. Who had
 * none joins where the others are: it neither saves up nor pays for the time in between.
 */
export class FairQueue<Item> {
  /** Flows with jobs, a binary heap by virtual time. */
  readonly #heap: Flow<Item>[] = [];
  #virtualTime = 0;
  #length = 0;

  createFlow(weight: number): Flow<Item> {
    return { weight, virtualTime: 0, waiting: new Fifo(), queued: false };
  }

  /** Jobs that wait. */
  get length(): number {
    return this.#length;
  }

  push(flow: Flow<Item>, item: Item): void {
    flow.waiting.push(item);
    this.#length++;
    if (!flow.queued) {
      flow.virtualTime = Math.max(flow.virtualTime, this.#virtualTime);
      this.#enqueue(flow);
    }
  }

  /** The next job. Its flow is charged, with 0 if it cost nothing, before the next call. */
  pop(): { readonly flow: Flow<Item>; readonly item: Item } | undefined {
    const flow = this.#dequeue();
    const item = flow?.waiting.shift();
    if (flow === undefined || item === undefined) return undefined;
    this.#length--;
    this.#virtualTime = flow.virtualTime;
    return { flow, item };
  }

  /** What the job that was popped has cost. */
  charge(flow: Flow<Item>, cost: number): void {
    flow.virtualTime += cost / flow.weight;
    if (flow.waiting.length > 0 && !flow.queued) this.#enqueue(flow);
  }

  /** A flow has done something though it never waited: nobody else had anything. */
  chargeAlone(flow: Flow<Item>, cost: number): void {
    this.#virtualTime = Math.max(flow.virtualTime, this.#virtualTime);
    flow.virtualTime = this.#virtualTime + cost / flow.weight;
  }

  #enqueue(flow: Flow<Item>): void {
    const heap = this.#heap;
    flow.queued = true;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.virtualTime <= flow.virtualTime) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = flow;
  }

  #dequeue(): Flow<Item> | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return undefined;
    first.queued = false;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      let least = heap[child];
      if (least !== undefined && right !== undefined && right.virtualTime < least.virtualTime) {
        least = right;
        child++;
      }
      if (least === undefined || least.virtualTime >= last.virtualTime) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
