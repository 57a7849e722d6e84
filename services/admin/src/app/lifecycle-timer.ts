import { type Clock, ok } from '@outboard/core';
import type { ResourceService } from '@outboard/resource-service';
import type { AdminDomain } from '../domain/admin-domain.js';
import type { Inventory } from '../domain/inventory.js';

/** The wall clock, by which deadlines are, may be moved: it is looked at so often. */
const LONGEST_WAIT_MILLISECONDS = 60_000;
const SHORTEST_WAIT_MILLISECONDS = 1_000;

export interface LifecycleTimerOptions {
  readonly service: ResourceService;
  readonly inventory: Inventory;
  readonly domain: AdminDomain;
  readonly clock: Clock;
}

/** Lets the states of DPUs end at their deadlines. */
export class LifecycleTimer implements Disposable {
  readonly #options: LifecycleTimerOptions;
  #timer: Disposable | undefined;
  #closed = false;

  constructor(options: LifecycleTimerOptions) {
    this.#options = options;
  }

  /** What has happened while this service was away. A DPU may have been stored by a version that knew of no lives. */
  async start(): Promise<void> {
    await this.#proceed(() => true);
    this.look();
  }

  /** Deadlines have changed. */
  look(): void {
    const { inventory, clock } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const next = this.#closed ? undefined : inventory.nextDeadline();
    if (next === undefined) return;
    // What could not be written is tried again as well.
    const wait = Math.max(next - clock.now(), SHORTEST_WAIT_MILLISECONDS);
    this.#timer = clock.schedule(Math.min(wait, LONGEST_WAIT_MILLISECONDS), () => void this.#passed());
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
  }

  async #passed(): Promise<void> {
    const { inventory, clock } = this.#options;
    const now = clock.now();
    if ((inventory.nextDeadline() ?? Number.POSITIVE_INFINITY) <= now) {
      await this.#proceed((deadline) => deadline !== undefined && Date.parse(deadline) <= now);
    }
    this.look();
  }

  async #proceed(isDue: (deadline: string | undefined) => boolean): Promise<void> {
    const { service, inventory, domain } = this.#options;
    await service.change('system', (context) => {
      const due = [...inventory.dpus()].filter(({ status }) => isDue(status.lifecycle?.deadline));
      return ok(
        domain.followed(
          due.flatMap(({ metadata }) => inventory.proceed(metadata.name, context)),
          context,
        ),
      );
    });
  }
}
