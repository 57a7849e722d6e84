import type {
  Bus,
  ConnectionState,
  ConsumerSpec,
  Delivery,
  GatherLimits,
  Message,
  Received,
  ServiceSpec,
  Settlement,
  StreamBus,
  Subscription,
  WatchHandler,
  WatchSpec,
} from '@outboard/bus';
import { AppError, type Clock, err } from '@outboard/core';
import type { Driver, Operation, OperationResult, OvsSpec } from '@outboard/dataplane';
import type { Batch, NotPromise, Snapshot, Store } from '@outboard/store';
import type { SeededRandom } from './seeded-random.js';

const NEVER = new Promise<never>(() => {});

/** The life of a process: from its end on, nothing that it awaits comes, and nothing that it does has an effect. */
export class Life {
  isOver = false;
  readonly over: Promise<void>;
  #end: () => void = () => {};
  #steps: number | undefined;

  constructor(private readonly onDeath: () => void) {
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** It dies at the n-th thing from now that it waits for. */
  endAfter(steps: number): void {
    this.#steps = steps;
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#end();
    this.onDeath();
  }

  /** Carries out what the process waits for: it may die before that, or between that and hearing of it. */
  async step<Value>(action: () => Promise<Value>): Promise<Value> {
    this.#count();
    if (this.isOver) return NEVER;
    const value = await action();
    this.#count();
    return this.isOver ? NEVER : value;
  }

  #count(): void {
    if (this.#steps !== undefined && --this.#steps <= 0) {
      this.#steps = undefined;
      this.end();
    }
  }
}

/** How bad the network of a part is: what is lost, what comes twice, what comes late. */
export interface Weather {
  /** Of everything that is sent or answered; 1: a partition. */
  loss: number;
  duplication: number;
  /** Milliseconds by which hints may be late, and so pass each other. */
  lateness: number;
}

/** The bus as a process sees it that may die, by a network that loses, repeats and delays. */
export class SimulatedBus implements StreamBus {
  constructor(
    private readonly bus: StreamBus,
    private readonly life: Life,
    private readonly weather: Weather,
    private readonly random: SeededRandom,
    private readonly clock: Clock,
  ) {}

  get streams(): StreamBus['streams'] {
    return this.bus.streams;
  }

  request(subject: string, message: Message, options: { deadlineMilliseconds: number }) {
    return this.life.step(async () => {
      if (this.#isLost()) return this.#late(subject, options.deadlineMilliseconds);
      const reply = await this.bus.request(subject, message, options);
      return this.#isLost() ? this.#late(subject, options.deadlineMilliseconds) : reply;
    });
  }

  gather(subject: string, message: Message, limits: GatherLimits) {
    return this.life.step(() => this.bus.gather(subject, message, limits));
  }

  publish(subject: string, message: Message, options: { messageId: string }) {
    return this.life.step(async () => {
      const lost = err(new AppError('UNAVAILABLE', `${subject}: lost`));
      if (this.#isLost()) return lost;
      const ack = await this.bus.publish(subject, message, options);
      if (this.random.chance(this.weather.duplication)) await this.bus.publish(subject, message, options);
      return this.#isLost() ? lost : ack;
    });
  }

  consume(spec: ConsumerSpec, handler: (delivery: Delivery) => Promise<Settlement>): Promise<Subscription> {
    const again: Settlement = { kind: 'retry', reason: 'nobody heard how it ended', afterMilliseconds: 100 };
    return this.life.step(() =>
      this.bus.consume(spec, async (delivery) => {
        if (this.life.isOver || this.weather.loss === 1) return again;
        const ended = await Promise.race([handler(delivery), this.life.over]);
        return ended === undefined || this.#isLost() ? again : ended;
      }),
    );
  }

  watch(spec: WatchSpec, handler: WatchHandler): Promise<Subscription> {
    const alive = <Arguments extends unknown[]>(call?: (...args: Arguments) => void | Promise<void>) =>
      call && ((...args: Arguments) => (this.life.isOver ? undefined : call(...args)));
    return this.life.step(() =>
      this.bus.watch(spec, {
        message: alive((received) => handler.message(received)) as WatchHandler['message'],
        ...(handler.current && { current: alive(() => handler.current?.()) as () => void }),
        ...(handler.restart && { restart: alive(() => handler.restart?.()) as () => void }),
      }),
    );
  }

  serve(spec: ServiceSpec): Promise<Subscription> {
    const endpoints = spec.endpoints.map((endpoint) => ({
      ...endpoint,
      handle: async (request: Received) => {
        if (this.life.isOver || this.#isLost()) return NEVER;
        const reply = await endpoint.handle(request);
        if (this.random.chance(this.weather.duplication)) await endpoint.handle(request);
        return this.life.isOver || this.#isLost() ? NEVER : reply;
      },
    }));
    return this.life.step(() => this.bus.serve({ ...spec, endpoints }));
  }

  broadcast(subject: string, message: Message): void {
    const times = this.random.chance(this.weather.duplication) ? 2 : 1;
    for (let time = 0; time < times; time++) {
      if (this.life.isOver || this.#isLost()) continue;
      const late = this.random.below(this.weather.lateness + 1);
      if (late === 0) this.bus.broadcast(subject, message);
      else this.clock.schedule(late, () => this.#broadcastLate(subject, message));
    }
  }

  subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription> {
    return this.life.step(() =>
      this.bus.subscribe(subject, (received) => {
        if (!this.life.isOver && !this.#isLost()) handler(received);
      }),
    );
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.bus.onState(listener);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.bus[Symbol.asyncDispose]();
  }

  #isLost(): boolean {
    return this.random.chance(this.weather.loss);
  }

  async #late(subject: string, milliseconds: number): ReturnType<Bus['request']> {
    await this.clock.delay(milliseconds);
    return err(new AppError('DEADLINE_EXCEEDED', `${subject}: no answer in ${milliseconds} ms`));
  }

  #broadcastLate(subject: string, message: Message): void {
    if (this.life.isOver) return;
    try {
      this.bus.broadcast(subject, message);
    } catch {
      // The connection was closed meanwhile: a hint that was lost.
    }
  }
}

/** A store as a process sees it that may die: before a commit, or between the commit and hearing of it. */
export class SimulatedStore implements Store {
  constructor(
    private readonly store: Store,
    private readonly life: Life,
  ) {}

  get epoch(): string {
    return this.store.epoch;
  }

  read<Value>(query: (snapshot: Snapshot) => NotPromise<Value>): Value {
    return this.store.read(query);
  }

  commit(batch: Batch): ReturnType<Store['commit']> {
    return this.life.step(() => this.store.commit(batch));
  }

  markPublished(sequences: readonly number[]): Promise<void> {
    return this.life.step(() => this.store.markPublished(sequences));
  }

  forgetAnswersBefore(revision: number, limit: number): Promise<number> {
    return this.life.step(() => this.store.forgetAnswersBefore(revision, limit));
  }

  /** What is stored outlives the process. */
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** How bad a switch is: operations that fail, or seem to be carried out and are not. */
export interface Trouble {
  failing: number;
  lying: number;
}

/** A driver as a process sees it that may die, on a switch that fails. */
export function simulatedDriver(
  driver: Driver<OvsSpec>,
  life: Life,
  trouble: Trouble,
  random: SeededRandom,
): Driver<OvsSpec> {
  const apply = async (operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> => {
    const results: OperationResult[] = [];
    for (const operation of operations) {
      const failure = { code: 'EIO', message: 'the simulated switch fails' };
      if (random.chance(trouble.failing)) results.push({ kind: 'failed', error: failure });
      else if (random.chance(trouble.lying)) results.push({ kind: 'done' });
      else results.push(...(await life.step(() => driver.apply([operation]))));
    }
    return results;
  };
  return new Proxy(driver, {
    get(target, property) {
      if (property === 'apply') return apply;
      if (property === 'observe')
        return (scope: Parameters<typeof driver.observe>[0]) => life.step(() => driver.observe(scope));
      if (property === 'watch')
        return (onChange: Parameters<typeof driver.watch>[0]) =>
          driver.watch((change) => {
            if (!life.isOver) onChange(change);
          });
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
