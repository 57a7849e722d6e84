import { type Clock, ok } from '@outboard/core';
import type { ResourceService } from '@outboard/resource-service';
import type { AccelerationDomain } from '../domain/acceleration-domain.js';

/** Before what could not be stored is tried again. */
const RETRY_MILLISECONDS = 1_000;

/** Looks at what changes elsewhere mean for sessions and keys: some with each commit, until there is nothing left. */
export class Settler implements AsyncDisposable {
  #running: Promise<void> | undefined;
  #retry: Disposable | undefined;
  #closed = false;

  constructor(
    private readonly service: ResourceService,
    private readonly domain: AccelerationDomain,
    private readonly clock: Clock,
  ) {}

  /** There may be something to look at. */
  wake(): void {
    if (this.#closed || this.#running || this.#retry || !this.domain.isUnsettled) return;
    // Not in the middle of a group that is being decided.
    this.#running = Promise.resolve().then(() => this.#settleAll());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#retry?.[Symbol.dispose]();
    await this.#running;
  }

  async #settleAll(): Promise<void> {
    while (this.domain.isUnsettled && !this.#closed) {
      const settled = await this.service.change('system', (context) => ok(this.domain.settle(context)));
      if (!settled.ok) {
        this.#retry = this.clock.schedule(RETRY_MILLISECONDS, () => {
          this.#retry = undefined;
          this.wake();
        });
        break;
      }
    }
    this.#running = undefined;
  }
}
