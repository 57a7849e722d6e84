/**
 * Which of the numbers 0 to `size` - 1 are taken, and the lowest that is not. Depends only on what is taken now, never
 * on how it came about. Every operation is O(log n) amortised; memory grows with what was taken, not with `size`.
 *
 * Everything from the frontier on is free unless `#above` has it; everything below it is taken unless `#below` has it.
 */
export class LowestFree {
  readonly #size: number;
  readonly #above = new Set<number>();
  readonly #below = new Set<number>();
  /** A binary heap of numbers below the frontier; those that were taken again stay until they reach the top. */
  readonly #heap: number[] = [];
  readonly #inHeap = new Set<number>();
  #frontier = 0;

  /** `size` is at most 2^53. */
  constructor(size: number) {
    this.#size = size;
  }

  /** How many numbers are taken. */
  get taken(): number {
    return this.#frontier - this.#below.size + this.#above.size;
  }

  isTaken(number: number): boolean {
    return number < this.#frontier ? !this.#below.has(number) : this.#above.has(number);
  }

  /** The lowest free number; undefined: all are taken. */
  lowest(): number | undefined {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#below.has(top)) return top;
      this.#popTop();
    }
    return this.#frontier < this.#size ? this.#frontier : undefined;
  }

  take(number: number): void {
    if (number < this.#frontier) {
      this.#below.delete(number);
      return;
    }
    this.#above.add(number);
    while (this.#above.delete(this.#frontier)) this.#frontier++;
  }

  release(number: number): void {
    if (!this.isTaken(number)) return;
    if (number >= this.#frontier) {
      this.#above.delete(number);
      return;
    }
    this.#below.add(number);
    if (!this.#inHeap.has(number)) this.#push(number);
  }

  #push(number: number): void {
    this.#inHeap.add(number);
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex] as number;
      if (parent <= number) break;
      heap[index] = parent;
      index = parentIndex;
    }
    heap[index] = number;
  }

  #popTop(): void {
    const heap = this.#heap;
    this.#inHeap.delete(heap[0] as number);
    const last = heap.pop() as number;
    if (heap.length === 0) return;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[index] = heap[child] as number;
      index = child;
    }
    heap[index] = last;
  }
}
