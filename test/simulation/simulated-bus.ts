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
import { type Life, NEVER } from './life.js';
import type { SeededRandom } from './seeded-random.js';

/** How bad the network of a part is: what is lost, what comes twice, what comes late. */
export interface Weather {
  /** Of everything that is sent or answered; 1: a partition. */
  loss: number;
  duplication: number;
  /** Milliseconds by which hints may be late, and so pass each other. */
  lateness: number;
}

export interface BusWitness {
  /** Told of each message that something happened to, by its sort. */
  readonly count: (what: string) => void;
  /** Told of each request, before anything happens to it. */
  readonly asks: (subject: string, body: Uint8Array) => void;
}

/** The bus as a process sees it that may die, by a network that loses, repeats and delays. */
export class SimulatedBus implements StreamBus {
  constructor(
    private readonly bus: StreamBus,
    private readonly life: Life,
    private readonly weather: Weather,
    private readonly random: SeededRandom,
    private readonly clock: Clock,
    private readonly witness: BusWitness,
  ) {}

  get streams(): StreamBus['streams'] {
    return this.bus.streams;
  }

  request(subject: string, message: Message, options: { deadlineMilliseconds: number }) {
    return this.life.step('a request', async () => {
      this.witness.asks(subject, message.body);
      if (this.#isLost()) return this.#late(subject, options.deadlineMilliseconds);
      const reply = await this.bus.request(subject, message, options);
      return this.#isLost() ? this.#late(subject, options.deadlineMilliseconds) : reply;
    });
  }

  gather(subject: string, message: Message, limits: GatherLimits) {
    return this.life.step('a request', () => this.bus.gather(subject, message, limits));
  }

  publish(subject: string, message: Message, options: { messageId: string }) {
    return this.life.step('a publication', async () => {
      const lost = err(new AppError('UNAVAILABLE', `${subject}: lost`));
      if (this.#isLost()) return lost;
      const ack = await this.bus.publish(subject, message, options);
      if (this.#isRepeated()) await this.bus.publish(subject, message, options);
      return this.#isLost() ? lost : ack;
    });
  }

  consume(spec: ConsumerSpec, handler: (delivery: Delivery) => Promise<Settlement>): Promise<Subscription> {
    const again: Settlement = { kind: 'retry', reason: 'nobody heard how it ended', afterMilliseconds: 100 };
    return this.life.step('a subscription', () =>
      this.bus.consume(spec, async (delivery) => {
        if (this.life.isOver) return again;
        if (this.weather.loss === 1) {
          this.witness.count('message cut off');
          return again;
        }
        const ended = await Promise.race([handler(delivery), this.life.over]);
        return ended === undefined || this.#isLost() ? again : ended;
      }),
    );
  }

  watch(spec: WatchSpec, handler: WatchHandler): Promise<Subscription> {
    const alive = <Arguments extends unknown[]>(call?: (...args: Arguments) => void | Promise<void>) =>
      call && ((...args: Arguments) => (this.life.isOver ? undefined : call(...args)));
    return this.life.step('a subscription', () =>
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
        if (this.#isRepeated()) await endpoint.handle(request);
        return this.life.isOver || this.#isLost() ? NEVER : reply;
      },
    }));
    return this.life.step('a subscription', () => this.bus.serve({ ...spec, endpoints }));
  }

  broadcast(subject: string, message: Message): void {
    const times = this.#isRepeated() ? 2 : 1;
    for (let time = 0; time < times; time++) {
      if (!this.life.isOver && !this.#isLost()) this.bus.broadcast(subject, message);
    }
  }

  subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription> {
    let sent = 0;
    let newest = 0;
    return this.life.step('a subscription', () =>
      this.bus.subscribe(subject, (received) => {
        if (this.life.isOver || this.#isLost()) return;
        const place = ++sent;
        const arrives = (): void => {
          if (place < newest) this.witness.count('message overtaken');
          newest = Math.max(newest, place);
          handler(received);
        };
        const late = this.random.below(this.weather.lateness + 1);
        if (late === 0) return arrives();
        this.witness.count('message late');
        this.clock.schedule(late, () => {
          if (!this.life.isOver) arrives();
        });
      }),
    );
  }

  reconnect(): void {
    this.bus.reconnect();
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.bus.onState(listener);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.bus[Symbol.asyncDispose]();
  }

  #isLost(): boolean {
    const isLost = this.random.chance(this.weather.loss);
    if (isLost) this.witness.count(this.weather.loss === 1 ? 'message cut off' : 'message lost');
    return isLost;
  }

  #isRepeated(): boolean {
    const isRepeated = this.random.chance(this.weather.duplication);
    if (isRepeated) this.witness.count('message repeated');
    return isRepeated;
  }

  async #late(subject: string, milliseconds: number): ReturnType<Bus['request']> {
    await this.clock.delay(milliseconds);
    return err(new AppError('DEADLINE_EXCEEDED', `${subject}: no answer in ${milliseconds} ms`));
  }
}
