import { systemClock } from '@outboard/core';

/** What a promise resolves to, or 'late' if that takes longer. */
export async function within<Value>(milliseconds: number, promise: Promise<Value>): Promise<Value | 'late'> {
  const over = new AbortController();
  try {
    return await Promise.race([
      promise,
      systemClock.delay(milliseconds, over.signal).then(() => 'late' as const),
    ]);
  } finally {
    over.abort();
  }
}
