import { AppError, type Clock, type Random } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { Log } from './log.js';

const RETRY = { initial: 500, maximum: 10_000 };

/**
 * The first connection, however long it takes: a worker that cannot reach the bus, or is not let in yet, still has a
 * dataplane to keep. Rejects when trying again is of no use, and never settles once the signal aborts.
 */
export async function connectEventually<Connection>(
  connect: () => Promise<Connection>,
  { clock, random, log, signal }: { clock: Clock; random: Random; log: Log; signal: AbortSignal },
): Promise<Connection> {
  for (let failures = 1; ; failures++) {
    try {
      return await connect();
    } catch (failure) {
      const error = AppError.from(failure);
      if (error.code === 'INVALID_ARGUMENT') throw error;
      log.warn({ code: error.code, failures }, `no bus yet: ${error.message}`);
    }
    await clock.delay(backoff(RETRY, failures, random), signal);
    if (signal.aborted) return new Promise(() => {});
  }
}
