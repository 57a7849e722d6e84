import { decodeError, isErrorReply } from '@outboard/contracts';
import { AppError, err, ok, type Result, uuidv7 } from '@outboard/core';
import { busErrors } from '../errors.js';
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
import { OpenSubscription } from '../subscriptions.js';
import {
  consumerProblems,
  gatherProblems,
  messageProblems,
  patternProblems,
  serviceProblems,
  watchProblems,
} from '../validate.js';
import { NatsConsumer } from './consume.js';
import { JetStream } from './jetstream.js';
import { Link, type NatsOptions } from './link.js';
import { Requester } from './requester.js';
import { NatsStreams } from './streams.js';
import { NatsWatch } from './watch.js';
import { decodeMessage, encodeHeaders } from './wire.js';

/** What `dispose` waits for handlers that run, before it goes on without them. */
const DRAIN_MILLISECONDS = 10_000;

/** Connects to NATS. Rejects with UNAVAILABLE, UNAUTHENTICATED or PERMISSION_DENIED. */
export async function connectNats(options: NatsOptions): Promise<StreamBus> {
  const link = await Link.open(options);
  try {
    const requester = await Requester.open(link);
    return new NatsBus(link, requester);
  } catch (error) {
    await link.close();
    throw error;
  }
}

class NatsBus implements StreamBus {
  readonly streams: StreamAdministration;
  readonly #link: Link;
  readonly #requester: Requester;
  readonly #jetStream: JetStream;
  readonly #open = new Set<OpenSubscription>();
  #closing: Promise<void> | undefined;

  constructor(link: Link, requester: Requester) {
    this.#link = link;
    this.#requester = requester;
    this.#jetStream = new JetStream(requester);
    this.streams = new NatsStreams(this.#jetStream);
    link.listen({
      closed: () => {
        if (!this.#closing) for (const one of this.#open) one.fail(busErrors.closed());
      },
    });
  }

  async request(
    subject: string,
    message: Message,
    { deadlineMilliseconds }: { deadlineMilliseconds: number },
  ): Promise<Result<Message, AppError>> {
    const problems = messageProblems(subject, message);
    if (problems) return err(problems);
    const answer = await this.#requester.ask({
      subject,
      body: message.body,
      headers: encodeHeaders(message.headers),
      deadline: deadlineMilliseconds,
      repeatable: false,
    });
    if (!answer.ok) return answer;
    const reply = decodeMessage(answer.value);
    return isErrorReply(reply.headers) ? err(decodeError(reply.headers, reply.body)) : ok(reply);
  }

  async gather(
    subject: string,
    message: Message,
    limits: GatherLimits,
  ): Promise<Result<readonly Message[], AppError>> {
    const problems = messageProblems(subject, message) ?? gatherProblems(limits);
    if (problems) return err(problems);
    const question = {
      subject,
      body: message.body,
      headers: encodeHeaders(message.headers),
      deadline: limits.deadlineMilliseconds,
      repeatable: false,
    };
    const answers = await this.#requester.gather(question, limits);
    return answers.ok ? ok(answers.value.map((answer) => decodeMessage(answer))) : answers;
  }

  publish(
    subject: string,
    message: Message,
    { messageId }: { messageId: string },
  ): Promise<Result<PublishAck, AppError>> {
    const problems = messageProblems(subject, message, messageId);
    if (problems) return Promise.resolve(err(problems));
    const headers = encodeHeaders(message.headers, messageId);
    return this.#jetStream.publish({ subject, body: message.body, headers });
  }

  broadcast(subject: string, message: Message): void {
    const refusal = this.#link.state === 'closed' ? busErrors.closed() : messageProblems(subject, message);
    if (refusal) throw refusal;
    const headers = encodeHeaders(message.headers);
    this.#link.send(subject, message.body, headers ? { headers } : {});
  }

  async subscribe(subject: string, handler: (received: Received) => void): Promise<Subscription> {
    this.#check(patternProblems(subject));
    return this.#listen([{ subject, queueGroup: undefined, receive: handler }], () => Promise.resolve());
  }

  async serve(spec: ServiceSpec): Promise<Subscription> {
    this.#check(serviceProblems(spec));
    const { clock, random } = this.#link;
    const service = new MicroService(spec, { id: uuidv7(clock.now(), random), clock });
    return this.#listen(
      service.subjects.map(({ subject, queueGroup, answer }) => ({
        subject,
        queueGroup,
        receive: async (request: Received, replyTo: string | undefined) => {
          const reply = await answer(request);
          if (replyTo !== undefined) this.#reply(replyTo, reply);
        },
      })),
      () => service.idle(),
    );
  }

  async consume(
    spec: ConsumerSpec,
    handler: (delivery: Delivery) => Promise<Settlement>,
  ): Promise<Subscription> {
    this.#check(consumerProblems(spec));
    const consumer = new NatsConsumer(this.#link, this.#jetStream, spec, handler);
    await consumer.start();
    return this.#register(() => this.#drained(consumer.stop()));
  }

  async watch(spec: WatchSpec, handler: WatchHandler): Promise<Subscription> {
    this.#check(watchProblems(spec));
    const watch = new NatsWatch(this.#link, this.#jetStream, spec, handler);
    await watch.start();
    const subscription = this.#register(() => this.#drained(watch.stop()));
    watch.ended.catch((reason) => subscription.fail(reason));
    return subscription;
  }

  reconnect(): void {
    this.#link.reconnect();
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    return this.#link.onState(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([...this.#open].map((subscription) => subscription[Symbol.asyncDispose]()));
      this.#requester[Symbol.dispose]();
      await this.#link.close();
    })();
    return this.#closing;
  }

  /** Subscriptions that live and end together, known to the server when this resolves. */
  async #listen(
    wanted: readonly {
      subject: string;
      queueGroup: string | undefined;
      receive(received: Received, replyTo: string | undefined): unknown;
    }[],
    idle: () => Promise<void>,
  ): Promise<Subscription> {
    let refusal: AppError | undefined;
    const subscriptions = wanted.map(({ subject, queueGroup, receive }) =>
      this.#link.connection.subscribe(subject, {
        ...(queueGroup === undefined ? {} : { queue: queueGroup }),
        callback: (error, received) => {
          if (error) {
            refusal = subscriptionDenied(subject);
            registered.fail(refusal);
          } else {
            receive({ subject: received.subject, ...decodeMessage(received) }, received.reply);
          }
        },
      }),
    );
    const registered = this.#register(async () => {
      // Draining lets what the server has sent already arrive.
      const drained = subscriptions.map((one) => (one.isClosed() ? undefined : one.drain()));
      await this.#drained(Promise.allSettled(drained).then(idle));
    });
    await this.#link.flush();
    if (refusal) throw refusal;
    return registered;
  }

  #reply(subject: string, { headers, body }: Message): void {
    // A service may publish where its callers may not. A reply goes to an inbox and nowhere else, whatever is asked.
    if (!subject.startsWith('_INBOX')) return;
    const encoded = encodeHeaders(headers);
    this.#link.send(subject, body, encoded ? { headers: encoded } : {});
  }

  #check(problems: AppError | undefined): void {
    if (this.#closing || this.#link.state === 'closed') throw busErrors.closed();
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
    await Promise.race([idle, this.#link.clock.delay(DRAIN_MILLISECONDS, enough.signal)]);
    enough.abort();
  }
}

const subscriptionDenied = (subject: string): AppError =>
  new AppError('PERMISSION_DENIED', `this role may not subscribe to ${subject}`, {
    reason: 'SUBJECT_DENIED',
    metadata: { subject },
  });
