import type { Bus, StreamAdministration } from '@outboard/bus';
import { type Api, HEADERS, subjects } from '@outboard/contracts';
import type { Clock } from '@outboard/core';

export interface TombstoneSweeperOptions {
  readonly bus: Pick<Bus, 'watch'> & { readonly streams: Pick<StreamAdministration, 'remove'> };
  readonly clock: Clock;
  /** Whose states are swept: a service removes what it published itself. */
  readonly api: Api;
}

const HOUR = 60 * 60_000;
/**
 * docs/bus.md promises an hour, by the broker's clock. The other hour is for a clock of this machine that is ahead of
 * the broker's.
 */
const KEEP_MILLISECONDS = 2 * HOUR;
const SWEEP_EVERY_MILLISECONDS = HOUR;
/** Tombstones that one look remembers; when there are more, it looks again. */
const MAX_FOUND = 10_000;

const STREAM = 'OUTBOARD_STATE';

/**
 * Removes the tombstones of deleted resources from the state stream, at start and every hour, when everybody has had
 * time to see them: the stream refuses new states when it is full. A tombstone is removed by its sequence, which nothing
 * else ever has: where the resource came back, the stream holds its new state under another one, and the removal finds
 * nothing. What cannot be removed now is found again by the next sweep.
 */
export class TombstoneSweeper implements AsyncDisposable {
  readonly #options: TombstoneSweeperOptions;
  readonly #stopped = new AbortController();
  #sweeping: Promise<void> | undefined;
  #timer: Disposable | undefined;

  constructor(options: TombstoneSweeperOptions) {
    this.#options = options;
  }

  /** Begins at once, and goes on in the background. */
  start(): void {
    this.#sweeping = this.#sweep()
      .catch(() => {
        // The stream cannot be read at present: what it holds too much of waits for the next sweep.
      })
      .finally(() => {
        if (this.#stopped.signal.aborted) return;
        this.#timer = this.#options.clock.schedule(SWEEP_EVERY_MILLISECONDS, () => this.start());
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    this.#timer?.[Symbol.dispose]();
    await this.#sweeping;
  }

  async #sweep(): Promise<void> {
    for (let more = true; more; ) {
      const found = await this.#find();
      more = found.length === MAX_FOUND;
      for (const sequence of found) {
        if (this.#stopped.signal.aborted) return;
        const removed = await this.#options.bus.streams.remove(STREAM, sequence);
        if (!removed.ok) return;
      }
    }
  }

  /** Sequences of old tombstones. They are removed only when nobody reads any more: a reader counts what is there. */
  async #find(): Promise<readonly number[]> {
    const { bus, clock, api } = this.#options;
    const { signal } = this.#stopped;
    const before = clock.now() - KEEP_MILLISECONDS;
    const found: number[] = [];
    let enough = (): void => {};
    const seen = new Promise<void>((resolve) => {
      enough = resolve;
    });
    signal.addEventListener('abort', enough, { once: true });
    const watch = await bus.watch(
      { stream: STREAM, filterSubject: subjects.allStates(api), from: 'last-per-subject' },
      {
        message({ headers, streamSequence, storedAt }) {
          if (headers[HEADERS.operation] !== 'delete' || storedAt >= before) return;
          if (found.length < MAX_FOUND) found.push(streamSequence);
          if (found.length === MAX_FOUND) enough();
        },
        current: enough,
        restart: () => void found.splice(0),
      },
    );
    await Promise.race([seen, watch.closed]).finally(() => watch[Symbol.asyncDispose]());
    signal.removeEventListener('abort', enough);
    return found;
  }
}
