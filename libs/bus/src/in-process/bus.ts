import { decodeError, isErrorReply } from '@outboard/contracts';
import { type AppError, err, ok, type Result, uuidv7 } from '@outboard/core';
import { Consumption, type HeldDelivery } from '../consumption.js';
import { deadLetter } from '../dead-letter.js';
import { busErrors } from '../errors.js';
import { Gathering } from '../gathering.js';
import { MicroService } from '../micro-service.js';
import type {
  ConnectionState,
  ConsumerSpec,
  Delivery,
  GatherLimits,
  Message,
  PublishAck,
  Received,
  ServiceSpec,
  Settlement,
  StreamAdministration,
  StreamBus,
  Subscription,
  WatchHandler,
  WatchSpec,
} from '../port.js';
import { matcher } from '../subject-patterns.js';
import { OpenSubscription } from '../subscriptions.js';
import {
  consumerProblems,
  gatherProblems,
  messageProblems,
  patternProblems,
  serviceProblems,
  watchProblems,
} from '../validate.js';
import type { Exchange } from './exchange.js';
import { travelled } from './stream.js';
import { InProcessWatch } from './watch.js';

/** What `dispose` waits for handlers that run, before it goes on without them. */
const DRAIN_MILLISECONDS = 10_000;

/** One connection to an in-process broker. */
export class InProcessBus implements StreamBus {
  readonly streams: StreamAdministration;
  readonly #exchange: Exchange;
  readonly #open = new Set<OpenSubscription>();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  #closed = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.streams = exchange;
  }

  request(
    subject: string,
    message: Message,
    { deadlineMilliseconds }: { deadlineMilliseconds: number },
  ): Promise<Result<Message, AppError>> {
    const refusal = this.#closed ? busErrors.closed() : messageProblems(subject, message);
    if (refusal) return Promise.resolve(err(refusal));
    return new Promise((resolve) => {
      const deadline = this.#exchange.clock.schedule(deadlineMilliseconds, () =>
        resolve(err(busErrors.deadline(subject, deadlineMilliseconds))),
      );
      const answered = (result: Result<Message, AppError>): void => {
        deadline[Symbol.dispose]();
        resolve(result);
      };
      const receivers = this.#exchange.send(subject, message, (reply) => {
        const { headers, body } = travelled(reply);
        queueMicrotask(() =>
          answered(isErrorReply(headers) ? err(decodeError(headers, body)) : ok({ headers, body })),
        );
      });
      if (receivers === 0) answered(err(busErrors.noResponders(subject)));
    });
  }

  gather(
    subject: string,
    message: Message,
    limits: GatherLimits,
  ): Promise<Result<readonly Message[], AppError>> {
    const refusal = this.#closed
      ? busErrors.closed()
      : (messageProblems(subject, message) ?? gatherProblems(limits));
    if (refusal) return Promise.resolve(err(refusal));
    return new Promise((resolve) => {
      const { clock } = this.#exchange;
      const gathering = new Gathering<Message>(clock, limits);
      const complete = (): void => {
        deadline[Symbol.dispose]();
        gathering[Symbol.dispose]();
        resolve(ok([...gathering.replies]));
      };
      const deadline = clock.schedule(limits.deadlineMilliseconds, complete);
      const receivers = this.#exchange.send(subject, message, (reply) => {
        const arrived = travelled(reply);
        queueMicrotask(() => gathering.add(arrived, complete));
      });
      if (receivers === 0) complete();
    });
  }

  publish(
    subject: string,
    message: Message,
    { messageId }: { messageId: string },
  ): Promise<Result<PublishAck, AppError>> {
    const refusal = this.#closed ? busErrors.closed() : messageProblems(subject, message, messageId);
    return Promise.resolve(refusal ? err(refusal) : this.#exchange.store(subject, message, messageId));
  }

  broadcast(subject: string, message: Message): void {
    const refusal = this.#closed ? busErrors.closed() : messageProblems(subject, message);
    if (refusal) throw refusal;
    this.#exchange.broadcast(subject, message);
  }

  async subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription> {
    this.#check(patternProblems(subject));
    const listening = this.#exchange.listen({
      matches: matcher(subject),
      queueGroup: undefined,
      deliver: (received) => handler(received),
    });
    return this.#register(async () => listening[Symbol.dispose]());
  }

  async serve(spec: ServiceSpec): Promise<Subscription> {
    this.#check(serviceProblems(spec));
    const { clock, random } = this.#exchange;
    const service = new MicroService(spec, { id: uuidv7(clock.now(), random), clock });
    const listening = service.subjects.map(({ subject, queueGroup, answer }) =>
      this.#exchange.listen({
        matches: matcher(subject),
        queueGroup,
        deliver: (request, reply) => void answer(request).then((message) => reply?.(message)),
      }),
    );
    return this.#register(async () => {
      for (const one of listening) one[Symbol.dispose]();
      await this.#drained(service.idle());
    });
  }

  async consume(
    spec: ConsumerSpec,
    handler: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<Subscription> {
    this.#check(consumerProblems(spec));
    const consumer = this.#exchange.consumer(spec);
    const pull = (): void => {
      while (consumption.room > 0) {
        const taken = consumer.take();
        if (!taken) return;
        const { subject, headers, body, sequence, time: storedAt } = taken.message;
        const { deliveries } = taken;
        const { streamMadeAt } = consumer;
        const delivery = {
          subject,
          headers,
          body,
          deliveries,
          streamSequence: sequence,
          storedAt,
          streamMadeAt,
        };
        consumption.accept({ sequence, delivery });
      }
    };
    const consumption: Consumption<HeldDelivery> = new Consumption(
      spec,
      handler,
      {
        acknowledge: ({ sequence }) => consumer.settle(sequence),
        redeliver: ({ sequence }, afterMilliseconds) => consumer.release(sequence, afterMilliseconds),
        park: async ({ sequence, delivery }, reason) => {
          const letter = deadLetter(delivery, spec, reason);
          const stored = this.#exchange.store(letter.subject, letter.message, letter.messageId);
          if (stored.ok) consumer.settle(sequence);
          return stored;
        },
        roomChanged: pull,
      },
      this.#exchange,
    );
    const ready = consumer.onReady(() => queueMicrotask(pull));
    queueMicrotask(pull);
    return this.#register(async () => {
      ready[Symbol.dispose]();
      const { notStarted, idle } = consumption.close();
      for (const { sequence } of notStarted) consumer.untake(sequence);
      await this.#drained(idle);
    });
  }

  async watch(spec: WatchSpec, handler: WatchHandler): Promise<Subscription> {
    this.#check(watchProblems(spec));
    const watch = new InProcessWatch(this.#exchange.stream(spec.stream), spec, handler);
    const subscription = this.#register(() => this.#drained(watch.stop()));
    watch.ended.catch((reason) => subscription.fail(reason));
    return subscription;
  }

  /** There is nothing between the broker and this one that could be dead. */
  reconnect(): void {}

  onState(listener: (state: ConnectionState) => void): Disposable {
    this.#stateListeners.add(listener);
    listener(this.#closed ? 'closed' : 'connected');
    return { [Symbol.dispose]: () => void this.#stateListeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await Promise.all([...this.#open].map((subscription) => subscription[Symbol.asyncDispose]()));
    this.#closed = true;
    for (const listener of this.#stateListeners) listener('closed');
  }

  #check(problems: AppError | undefined): void {
    if (this.#closed) throw busErrors.closed();
    if (problems) throw problems;
  }

  #register(stop: () => Promise<void>): OpenSubscription {
    const subscription = new OpenSubscription(async () => {
      this.#open.delete(subscription);
      await stop();
    });
    this.#open.add(subscription);
    return subscription;
  }

  /** Waits for what runs, but not for ever. */
  async #drained(idle: Promise<void>): Promise<void> {
    const enough = new AbortController();
    const limit = this.#exchange.clock.delay(DRAIN_MILLISECONDS, enough.signal);
    await Promise.race([idle, limit]);
    enough.abort();
  }
}
