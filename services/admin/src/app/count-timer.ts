import { type Clock, ok } from '@outboard/core';
import type { ResourceService } from '@outboard/resource-service';
import type { AdminDomain } from '../domain/admin-domain.js';
import type { Inventory } from '../domain/inventory.js';

/** How old the numbers that a DPU's state tells may become. */
export const COUNT_MILLISECONDS = 1_000;

export interface CountTimerOptions {
  readonly service: ResourceService;
  readonly inventory: Inventory;
  readonly domain: AdminDomain;
  readonly clock: Clock;
}

/** Has the states of DPUs tell how many functions are in use: for all ports of a second together. */
export class CountTimer implements Disposable {
  readonly #options: CountTimerOptions;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(options: CountTimerOptions) {
    this.#options = options;
  }

  /** Ports may have bound or released functions. */
  look(): void {
    const { inventory, clock } = this.#options;
    if (this.#closed || this.#timer || !inventory.isUncounted) return;
    this.#timer = clock.schedule(COUNT_MILLISECONDS, () => void this.#count());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #count(): Promise<void> {
    const { service, inventory, domain } = this.#options;
    // What could not be written is counted again: the inventory is loaded anew then.
    await service.change('system', (context) => ok(domain.followed(inventory.recount(context), context)));
    this.#timer = undefined;
    this.look();
  }
}
