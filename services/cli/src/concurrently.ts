/** How many run at a time. */
export interface ConcurrencyOptions<Item, Outcome> {
  readonly limit: number;
  run(item: Item): Promise<Outcome>;
  /** Called with every outcome, in the order of the items. */
  settled(item: Item, outcome: Outcome): Promise<void>;
  /** Asked before each start; true: nothing more is started. */
  stopped(): boolean;
}

/** Runs over all items, so many at a time, and tells the outcomes in order. */
export async function concurrently<Item, Outcome>(
  items: readonly Item[],
  { limit, run, settled, stopped }: ConcurrencyOptions<Item, Outcome>,
): Promise<void> {
  const outcomes = new Map<number, Outcome>();
  let started = 0;
  let told = 0;
  let telling = Promise.resolve();
  const tell = async (): Promise<void> => {
    for (let item = items[told]; outcomes.has(told) && item !== undefined; item = items[told]) {
      const outcome = outcomes.get(told) as Outcome;
      outcomes.delete(told++);
      await settled(item, outcome);
    }
  };
  const work = async (): Promise<void> => {
    while (!stopped()) {
      const index = started++;
      const item = items[index];
      if (item === undefined) return;
      outcomes.set(index, await run(item));
      telling = telling.then(tell);
      await telling;
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work));
}
