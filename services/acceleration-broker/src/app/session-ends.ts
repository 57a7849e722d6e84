import type { Bus } from '@outboard/bus';
import { type Clock, ok } from '@outboard/core';
import type { AccelerationSession } from '@outboard/model';
import type { ResourceService } from '@outboard/resource-service';
import type { AccelerationDomain } from '../domain/acceleration-domain.js';
import type { EndCause } from '../domain/session-conditions.js';
import type { SessionActivities } from './session-activity.js';
import type { Settler } from './settler.js';

const INTERVAL_MILLISECONDS = 1_000;
/** Sessions that end with one commit. */
const MAX_ENDED = 250;

export interface SessionEndsPorts {
  readonly service: ResourceService;
  readonly domain: AccelerationDomain;
  readonly activities: SessionActivities;
  readonly settler: Pick<Settler, 'wake'>;
  readonly bus: Pick<Bus, 'onState'>;
  readonly clock: Clock;
}

/**
 * Ends the sessions whose ttl is over, and those that have had no connection for as long as their lease; has those looked
 * at whose port is gone and does not come any more.
 */
export class SessionEnds implements AsyncDisposable {
  #timer: Disposable | undefined;
  #listening: Disposable | undefined;
  #ending: Promise<unknown> = Promise.resolve();
  #isConnected = true;
  #closed = false;

  constructor(private readonly ports: SessionEndsPorts) {}

  start(): void {
    this.#listening = this.ports.bus.onState((state) => {
      this.#isConnected = state === 'connected';
      // While nothing could be heard nobody has lost anything.
      this.ports.activities.restart();
    });
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    this.#listening?.[Symbol.dispose]();
    await this.#ending;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.ports.clock.schedule(INTERVAL_MILLISECONDS, () => {
      this.#ending = this.#endAll().finally(() => this.#schedule());
    });
  }

  async #endAll(): Promise<void> {
    const { service, domain, settler } = this.ports;
    const over = await service.query(() => [...this.#over()]);
    settler.wake();
    for (let at = 0; at < over.length && !this.#closed; at += MAX_ENDED) {
      // What could not be stored is over at the next look, too.
      await service.change('system', (context) => ok(domain.end(over.slice(at, at + MAX_ENDED), context)));
    }
  }

  *#over(): Iterable<readonly [AccelerationSession, EndCause]> {
    const { domain, activities, clock } = this.ports;
    const now = clock.now();
    for (const [session, idle] of activities.idle(domain.sessions())) {
      const { expiresAt, policy } = session.status;
      const lease = (policy?.leaseSeconds ?? 0) * 1_000;
      domain.lookForPort(session, now);
      if (expiresAt !== undefined && Date.parse(expiresAt) <= now)
        yield [session, { reason: 'TtlOver', message: `its ttl was over at ${expiresAt}` }];
      else if (this.#isConnected && lease > 0 && idle > lease)
        yield [session, { reason: 'LeaseOver', message: `without a connection for ${lease / 1_000} s` }];
    }
  }
}
