import { AppError, type Clock, type Random } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { Log } from './log.js';

const RETRY = { initial: 500, maximum: 10_000 };

export interface ConnectingPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Whoever waits for the connection ends before the process does. */
  readonly signal?: AbortSignal;
}

/**
 * The first connection, however long it takes: a worker that cannot reach the bus, or is not let in yet, still has a
 * dataplane to keep, and a service is there when the bus is. Why there is none yet is logged at once, and with every
 * attempt. Rejects when trying again is of no use, and never settles once the signal aborts.
 *
 * @param connect one attempt; it calls `waiting` when it begins to wait for a server, and may then take long.
 */
export async function connectEventually<Connection>(
  connect: (waiting: (why: AppError) => void) => Promise<Connection>,
  { clock, random, log, signal }: ConnectingPorts,
): Promise<Connection> {
  for (let failures = 1; ; failures++) {
    let told: string | undefined;
    const tell = ({ code, message }: AppError): void => {
      if (message !== told) log.warn({ code, failures }, `no bus yet: ${message}`);
      told = message;
    };
    try {
      return await connect(tell);
    } catch (failure) {
      const error = AppError.from(failure);
      if (error.code === 'INVALID_ARGUMENT') throw error;
      tell(error);
    }
    await clock.delay(backoff(RETRY, failures, random), signal);
    if (signal?.aborted) return new Promise(() => {});
  }
}
