import { AppError, systemClock } from '@outboard/core';

/** Between attempts of a condition that fails at once. */
const PAUSE_MILLISECONDS = 20;
/** A bound for what never comes; machines that do other things are slow. */
export const DEADLINE_MILLISECONDS = 20_000;

/**
 * Asks until a condition holds: it answers undefined then, and before what is still missing. Throws AppError
 * DEADLINE_EXCEEDED with its last answer. Errors of the condition pass through.
 */
export async function waitUntil(
  what: string,
  condition: () => Promise<string | undefined> | string | undefined,
  deadlineMilliseconds = DEADLINE_MILLISECONDS,
): Promise<void> {
  const deadline = systemClock.monotonic() + deadlineMilliseconds;
  for (;;) {
    const missing = await condition();
    if (missing === undefined) return;
    if (systemClock.monotonic() >= deadline) {
      throw new AppError('DEADLINE_EXCEEDED', `${what}: not within ${deadlineMilliseconds} ms: ${missing}`);
    }
    await systemClock.delay(PAUSE_MILLISECONDS);
  }
}

/** The results in the order of the items, with at most `limit` of them in work at a time. */
export async function mapConcurrently<Item, Output>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Output>,
): Promise<Output[]> {
  const results = new Array<Output>(items.length);
  const queue = items.entries();
  const workers = Array.from({ length: Math.min(limit, items.length) }, async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  });
  await Promise.all(workers);
  return results;
}
