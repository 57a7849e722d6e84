import type { Link } from './link.js';

/** Between attempts, milliseconds: the first, the longest. Half of each is random. */
const FIRST = 100;
const LONGEST = 5_000;

/** Attempts until one succeeds (or says that nothing is left to do) or the signal ends it, with growing delays. */
export async function reopening(
  { clock, random }: Pick<Link, 'clock' | 'random'>,
  stopped: AbortSignal,
  attempt: () => Promise<boolean>,
): Promise<void> {
  for (let delay = FIRST; !stopped.aborted; delay = Math.min(delay * 2, LONGEST)) {
    if (await attempt()) return;
    await clock.delay(delay * (0.5 + random.fraction()), stopped);
  }
}
