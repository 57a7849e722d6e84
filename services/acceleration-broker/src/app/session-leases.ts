import { type Clock, ok } from '@outboard/core';
import type { Name } from '@outboard/model';
import type { ResourceService } from '@outboard/resource-service';
import type { AccelerationDomain } from '../domain/acceleration-domain.js';
import { ANY_DPU } from '../domain/departures.js';
import type { Settler } from './settler.js';

/** With its margin it is over before admin notices that a DPU is silent: no session waits longer to move. */
export const DEFAULT_SESSION_LEASE_MILLISECONDS = 8_000;
/** Of a lease: how much longer it may last by a worker's clock than by this one, and until its threads have noticed. */
const MARGIN = 1 / 8;
/** Looks at what has ended within the length of a lease. */
const LOOKS = 16;

/** What a worker has applied of its document. */
export interface AppliedVersion {
  readonly epoch: string;
  readonly sequence: number;
}

export interface SessionLeasesPorts {
  readonly service: ResourceService;
  readonly domain: AccelerationDomain;
  readonly settler: Pick<Settler, 'wake'>;
  readonly clock: Clock;
  /** Of the store. */
  readonly epoch: string;
  readonly leaseMilliseconds: number;
}

/**
 * Who may serve sessions, and until when: a session that moves is served at its new place when its former DPU has said
 * that it has let it go, or when the last lease of that DPU is over. A lease is given to a worker that serves nothing that
 * has left it: so the leases that are given after a session has left do not count for it.
 */
export class SessionLeases implements AsyncDisposable {
  /** By DPU: monotonic milliseconds of the last lease. */
  readonly #given = new Map<string, number>();
  /** What a former process gave was given before. */
  readonly #startedAt: number;
  #timer: Disposable | undefined;
  #looking: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly ports: SessionLeasesPorts) {
    this.#startedAt = ports.clock.monotonic();
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = this.ports.clock.schedule(this.ports.leaseMilliseconds / LOOKS, () => {
      this.#looking = this.#look().finally(() => this.start());
    });
  }

  /** For how long, milliseconds from now, a DPU may serve what it has applied; 0: that is too old. */
  give(dpu: Name, applied: AppliedVersion | undefined): number {
    const { domain, epoch, clock, leaseMilliseconds } = this.ports;
    if (!domain.knowsDpu(dpu) || applied?.epoch !== epoch || applied.sequence < domain.lastLeft(dpu))
      return 0;
    this.#given.set(dpu, clock.monotonic());
    return leaseMilliseconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.[Symbol.dispose]();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { service, domain, settler } = this.ports;
    // What could not be stored has ended at the next look, too.
    for (const dpu of domain.departedFrom) {
      if (!this.#isOver(dpu)) continue;
      await service.change('system', (context) => ok(this.#isOver(dpu) ? domain.letGo(dpu, context) : []));
      settler.wake();
    }
  }

  /** No lease of the DPU can be running. */
  #isOver(dpu: string): boolean {
    const { clock, leaseMilliseconds } = this.ports;
    const given = dpu === ANY_DPU ? undefined : this.#given.get(dpu);
    return clock.monotonic() >= (given ?? this.#startedAt) + leaseMilliseconds * (1 + MARGIN);
  }
}
