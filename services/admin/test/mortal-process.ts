import type { StreamBus } from '@outboard/bus';
import { AppError, type Clock, err } from '@outboard/core';
import type { Store } from '@outboard/store';

const FOREVER = new Promise<never>(() => {});

/** When processes die: each after so many steps more than the one before. */
export class Fate {
  #deaths: number[] = [];
  /** Steps that were taken, and processes that have died. */
  steps = 0;
  dead = 0;

  /** The process dies at the step after so many; each one that follows it, after so many of its own. No others die. */
  dieAfter(deaths: readonly number[]): void {
    this.#deaths = [...deaths];
  }

  /** Whether the process dies now. */
  step(): boolean {
    this.steps++;
    const [left] = this.#deaths;
    if (left === undefined) return false;
    if (left > 0) {
      this.#deaths[0] = left - 1;
      return false;
    }
    this.#deaths.shift();
    this.dead++;
    return true;
  }
}

/**
 * What a process can do to the world: commit, mark, publish. Before and after each of these it may die. From then on
 * nothing of it happens any more, and nothing comes back to it; what it had committed and published stays.
 */
export class MortalProcess {
  isDead = false;
  readonly died: Promise<void>;
  #die: () => void = () => {};

  constructor(
    private readonly world: { readonly store: Store; readonly bus: StreamBus; readonly clock: Clock },
    private readonly fate: Fate,
  ) {
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** What it resolves with, or undefined when the process has died before. */
  whileAlive<Value>(promise: Promise<Value>): Promise<Value | undefined> {
    return Promise.race([promise, this.died.then(() => undefined)]);
  }

  get store(): Store {
    const { store } = this.world;
    return {
      epoch: store.epoch,
      problem: undefined,
      read: (query) => store.read(query),
      commit: (batch) => this.#step(() => store.commit(batch)),
      markPublished: (sequences) => this.#step(() => store.markPublished(sequences)),
      forgetAnswersBefore: (revision, limit) => this.#step(() => store.forgetAnswersBefore(revision, limit)),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  get clock(): Clock {
    const { clock } = this.world;
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      delay: (milliseconds, signal) => this.#unlessDead(clock.delay(milliseconds, signal)),
      schedule: (milliseconds, callback) =>
        clock.schedule(milliseconds, () => {
          if (!this.isDead) callback();
        }),
    };
  }

  get bus(): StreamBus {
    const { bus } = this.world;
    return {
      streams: bus.streams,
      request: (...asked) => this.#unlessDead(bus.request(...asked)),
      gather: (...asked) => this.#unlessDead(bus.gather(...asked)),
      publish: (...message) => this.#step(() => bus.publish(...message)),
      broadcast: (...message) => bus.broadcast(...message),
      serve: (spec) =>
        bus.serve({
          ...spec,
          endpoints: spec.endpoints.map((endpoint) => ({
            ...endpoint,
            handle: (request) =>
              this.isDead
                ? Promise.resolve(err(new AppError('UNAVAILABLE', 'the process is dead')))
                : this.#unlessDead(endpoint.handle(request)),
          })),
        }),
      consume: (spec, handler) => bus.consume(spec, (delivery) => this.#unlessDead(handler(delivery))),
      watch: (...watched) => bus.watch(...watched),
      subscribe: (...subscribed) => bus.subscribe(...subscribed),
      reconnect: () => bus.reconnect(),
      onState: (listener) => bus.onState(listener),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async #step<Value>(act: () => Promise<Value>): Promise<Value> {
    this.#mayDie();
    if (this.isDead) return FOREVER;
    const value = await act();
    this.#mayDie();
    return this.isDead ? FOREVER : value;
  }

  async #unlessDead<Value>(promise: Promise<Value>): Promise<Value> {
    const value = await promise;
    return this.isDead ? FOREVER : value;
  }

  #mayDie(): void {
    if (this.isDead || !this.fate.step()) return;
    this.isDead = true;
    this.#die();
  }
}
