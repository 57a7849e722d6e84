/** Gathers what happens, for tests that await it. Waits without a limit of its own: the test's limit ends it. */
export class Collector<Item> {
  readonly items: Item[] = [];
  #waiting: (() => void)[] = [];

  add(item: Item): void {
    this.items.push(item);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves with everything once there are `count` items. */
  atLeast(count: number): Promise<readonly Item[]> {
    return this.until(() => this.items.length >= count);
  }

  /** Resolves with everything once an item arrived after which the condition holds. */
  async until(condition: (items: readonly Item[]) => boolean): Promise<readonly Item[]> {
    while (!condition(this.items)) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    return this.items;
  }
}

/** A promise with its key: handlers wait for `opened`, the test opens. */
export class Gate {
  readonly opened: Promise<void>;
  open: () => void = () => {};

  constructor() {
    this.opened = new Promise((resolve) => {
      this.open = resolve;
    });
  }
}
