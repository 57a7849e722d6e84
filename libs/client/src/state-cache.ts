import type { Bus, Received, Subscription } from '@outboard/bus';
import {
  HEADERS,
  parseResourceSubject,
  type ResourceAddress,
  SUBJECT_PREFIX,
  subjects,
} from '@outboard/contracts';
import { AppError, type Clock, systemClock } from '@outboard/core';
import { type AnyResource, decodeResource } from '@outboard/model';

/**
 * How long what was known stays known, after the stream began anew, without being told again. A stream that was lost is
 * empty: that says nothing. Its services fill it again in seconds.
 */
const RELEARN_MILLISECONDS = 60_000;

/** The present state of resources, kept up to date by the state stream. */
export class StateCache implements AsyncDisposable {
  readonly #resources = new Map<string, AnyResource>();
  readonly #listeners = new Set<() => void>();
  /** Known from before the stream began anew, and not told since. */
  #doubtful = new Set<string>();
  #doubting: Disposable | undefined;
  #watch: Subscription | undefined;

  private constructor(private readonly clock: Clock) {}

  /** Of one tenant, or of all that the connection may see. Resolves when all that is there has arrived. */
  static async open(bus: Bus, tenant = '*', clock: Clock = systemClock): Promise<StateCache> {
    const cache = new StateCache(clock);
    const filterSubject = `${SUBJECT_PREFIX}.state.${tenant}.>`;
    let allIsThere = (): void => {};
    const current = new Promise<void>((resolve) => {
      allIsThere = resolve;
    });
    cache.#watch = await bus.watch(
      { stream: 'OUTBOARD_STATE', filterSubject, from: 'last-per-subject' },
      {
        message: (received) => cache.#take(received),
        current: allIsThere,
        restart: () => cache.#doubt(),
      },
    );
    await current;
    return cache;
  }

  get(address: ResourceAddress): AnyResource | undefined {
    return this.#resources.get(subjects.state(address));
  }

  values(): Iterable<AnyResource> {
    return this.#resources.values();
  }

  /**
   * Resolves with the first truthy answer of `look`, asked now and after every change.
   * Throws AppError DEADLINE_EXCEEDED naming `what`.
   */
  async until<Value>(
    what: string,
    look: (cache: StateCache) => Value,
    milliseconds: number,
  ): Promise<NonNullable<Value>> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        this.#listeners.delete(check);
        timer[Symbol.dispose]();
      };
      const timer = this.clock.schedule(milliseconds, () => {
        finish();
        reject(new AppError('DEADLINE_EXCEEDED', `not within ${milliseconds} ms: ${what}`));
      });
      const check = (): void => {
        const value = look(this);
        if (!value) return;
        finish();
        resolve(value);
      };
      this.#listeners.add(check);
      check();
    });
  }

  /** Calls the listener after every change, until disposed. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#doubting?.[Symbol.dispose]();
    await this.#watch?.[Symbol.asyncDispose]();
  }

  #doubt(): void {
    this.#doubtful = new Set(this.#resources.keys());
    this.#doubting?.[Symbol.dispose]();
    this.#doubting = this.clock.schedule(RELEARN_MILLISECONDS, () => {
      for (const subject of this.#doubtful) this.#resources.delete(subject);
      this.#doubtful.clear();
      for (const listener of this.#listeners) listener();
    });
  }

  #take({ subject, headers, body }: Received): void {
    if (!parseResourceSubject(subject)) return;
    this.#doubtful.delete(subject);
    const resource = headers[HEADERS.operation] === 'delete' ? undefined : decodeResource(body);
    if (resource?.ok) this.#resources.set(subject, resource.value);
    else if (!resource) this.#resources.delete(subject);
    for (const listener of this.#listeners) listener();
  }
}
