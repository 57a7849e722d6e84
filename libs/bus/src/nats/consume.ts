import type { ConsumerConfig, ConsumerInfo } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { AppError, err, ok, type Result } from '@outboard/core';
import { Consumption, type HeldDelivery, MAX_HELD_BACK, type Settler } from '../consumption.js';
import { deadLetter } from '../dead-letter.js';
import { busErrors } from '../errors.js';
import type { ConsumerSpec, Delivery, Settlement } from '../port.js';
import { Feed } from './feed.js';
import type { JetStream } from './jetstream.js';
import type { Link } from './link.js';
import { reopening } from './reopening.js';
import {
  ACKNOWLEDGEMENT,
  decodeMessage,
  deliveryInfo,
  encodeHeaders,
  milliseconds,
  nanoseconds,
} from './wire.js';

/** How long the server waits for a sign of life before it delivers again, milliseconds. */
const ACK_WAIT = 30_000;
/** How often a sign of life is sent for what is still held, milliseconds. */
const WORKING_INTERVAL = ACK_WAIT / 3;

/** Most messages that are called back after a reconnect; beyond them the server does it itself after `ACK_WAIT`. */
const MAX_CALLED_BACK = 100_000;

interface NatsDelivery extends HeldDelivery {
  /** Where to say how it ended: the newest, if it was delivered again while held. */
  reply: string;
}

/**
 * A durable pull consumer of one process. It makes or changes the consumer on the server, opens it again after
 * reconnects and when it was deleted, and calls back what a process that died, or a broken connection, left unsettled.
 */
export class NatsConsumer implements Settler<NatsDelivery> {
  readonly #link: Link;
  readonly #jetStream: JetStream;
  readonly #spec: ConsumerSpec;
  readonly #consumption: Consumption<NatsDelivery>;
  readonly #feed: Feed;
  readonly #listening: Disposable;
  readonly #stopped = new AbortController();
  /** Rises with every opening; an opening that finds it changed gives up. */
  #openings = 0;
  #signs: Disposable | undefined;
  /** Of the stream that the consumer on the server is one of. */
  #streamMadeAt = 0;

  constructor(
    link: Link,
    jetStream: JetStream,
    spec: ConsumerSpec,
    handler: (delivery: Delivery) => Promise<Settlement>,
  ) {
    this.#link = link;
    this.#jetStream = jetStream;
    this.#spec = spec;
    this.#consumption = new Consumption(spec, handler, this, link);
    this.#feed = new Feed(link, {
      message: (received) => this.#received(received),
      idle: () => this.roomChanged(),
      lost: () => void this.#reopen(),
    });
    this.#listening = link.listen({
      down: () => this.#feed.close(),
      up: () => void this.#reopen(),
      closed: () => this.#signs?.[Symbol.dispose](),
    });
  }

  /** Opens it for the first time: here a refusal is the caller's, later it is waited out. */
  async start(): Promise<void> {
    const opened = await this.#open(++this.#openings);
    if (!opened.ok) {
      this.#listening[Symbol.dispose]();
      throw opened.error;
    }
    this.#signalWork();
  }

  /**
   * Stops the intake, and resolves when what runs has ended. What was not begun is called back, in order, by whoever
   * consumes next. It is not given back here: nats-server 2.9 drops a message that it wants to deliver again while a
   * pull waits whose inbox is gone, until its acknowledgement is overdue.
   */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#openings++;
    this.#feed.close();
    await this.#consumption.close().idle;
    this.#signs?.[Symbol.dispose]();
    this.#listening[Symbol.dispose]();
  }

  acknowledge({ reply }: NatsDelivery): void {
    this.#link.send(reply, ACKNOWLEDGEMENT.done);
  }

  redeliver({ reply }: NatsDelivery, afterMilliseconds: number): void {
    const delay = JSON.stringify({ delay: nanoseconds(afterMilliseconds) });
    this.#link.send(
      reply,
      afterMilliseconds > 0 ? `${ACKNOWLEDGEMENT.again} ${delay}` : ACKNOWLEDGEMENT.again,
    );
  }

  async park(held: NatsDelivery, reason: string): Promise<Result<unknown, AppError>> {
    const { subject, message, messageId } = deadLetter(held.delivery, this.#spec, reason);
    const headers = encodeHeaders(message.headers, messageId);
    const stored = await this.#jetStream.publish({ subject, body: message.body, headers });
    if (stored.ok) this.#link.send(held.reply, ACKNOWLEDGEMENT.never);
    return stored;
  }

  roomChanged(): void {
    const { maxInFlight } = this.#spec;
    const room = this.#consumption.room - this.#feed.outstanding;
    // Asking for every single place costs a message each; half of the places at a time keeps the pipe full.
    if (room > 0 && (room * 2 >= maxInFlight || this.#feed.outstanding === 0)) this.#feed.pull(room);
  }

  #received(received: Msg): void {
    const info = deliveryInfo(received.reply);
    if (!info || !received.reply) return;
    const { deliveries, streamSequence, time } = info;
    const { reply, subject } = received;
    const { headers, body } = decodeMessage(received);
    const storedAt = milliseconds(Number(time));
    const streamMadeAt = this.#streamMadeAt;
    const delivery = { subject, headers, body, deliveries, streamSequence, storedAt, streamMadeAt };
    if (this.#consumption.accept({ sequence: streamSequence, delivery, reply })) {
      // What is held back behind a retry takes no place.
      this.roomChanged();
      return;
    }
    for (const held of this.#consumption.held()) if (held.sequence === streamSequence) held.reply = reply;
  }

  async #reopen(): Promise<void> {
    const opening = ++this.#openings;
    await reopening(
      this.#link,
      this.#stopped.signal,
      async () => opening !== this.#openings || (await this.#open(opening)).ok,
    );
  }

  async #open(opening: number): Promise<Result<void, AppError>> {
    const info = await this.#ensure();
    if (!info.ok) return info;
    // After the consumer: a stream that is made anew in between has no such consumer, and this is opened again.
    const stream = await this.#jetStream.streamInfo(this.#spec.stream);
    if (!stream.ok) return stream;
    if (!stream.value) return err(busErrors.streamMissing(this.#spec.stream));
    this.#streamMadeAt = Date.parse(stream.value.created);
    await this.#callBack(info.value);
    if (opening !== this.#openings) return ok(undefined);
    this.#feed.open(this.#spec.stream, this.#spec.durable);
    this.roomChanged();
    return ok(undefined);
  }

  /** The consumer on the server, made or changed where it differs. */
  async #ensure(): Promise<Result<ConsumerInfo, AppError>> {
    const { stream, durable, filterSubject, maxInFlight } = this.#spec;
    const found = await this.#jetStream.consumerInfo(stream, durable);
    if (!found.ok) return found;
    const wanted = {
      durable_name: durable,
      ack_policy: 'explicit',
      ack_wait: nanoseconds(ACK_WAIT),
      deliver_policy: 'all',
      replay_policy: 'instant',
      // Whatever was delivered and is not settled counts: what is in flight, and what waits for its retry.
      max_ack_pending: maxInFlight + MAX_HELD_BACK,
      // Deliveries are counted here: a server that stops delivering would keep the message without a word.
      max_deliver: -1,
    } as const;
    if (found.value) {
      if (found.value.config.deliver_subject) return err(foreign(stream, durable, 'it pushes'));
      if (found.value.config.ack_policy !== 'explicit') {
        return err(foreign(stream, durable, `its acknowledgement is ${found.value.config.ack_policy}`));
      }
      const same =
        found.value.config.filter_subject === filterSubject &&
        (Object.keys(wanted) as (keyof typeof wanted)[]).every(
          (field) => found.value?.config[field] === wanted[field],
        );
      if (same) return ok(found.value);
    }
    return this.#jetStream.setConsumer(
      stream,
      durable,
      filterSubject,
      wanted as Omit<ConsumerConfig, 'name' | 'filter_subject'>,
    );
  }

  /**
   * Asks the server to deliver at once, and in order, what it believes to be with somebody, but nobody holds: left by a
   * process that died, or lost with the connection. Otherwise it would come after `ACK_WAIT`, long after later messages
   * of the same key. As long as another process pulls from the consumer, what is unsettled may well be with that one.
   * (Asking for the information has made the server forget pulls whose inboxes are gone; only then is this safe, see
   * `stop`.)
   * The subject of an acknowledgement is public protocol (ADR-15): stream, consumer, delivery, sequences.
   */
  async #callBack({ ack_floor, delivered, num_ack_pending, num_waiting }: ConsumerInfo): Promise<void> {
    if (num_ack_pending === 0 || num_waiting > 0) return;
    const { stream, durable } = this.#spec;
    const last = Math.min(delivered.stream_seq, ack_floor.stream_seq + MAX_CALLED_BACK);
    let reply: string | undefined;
    for (let sequence = ack_floor.stream_seq + 1; sequence <= last; sequence++) {
      if (this.#consumption.isHeld(sequence)) continue;
      if (reply !== undefined) this.#link.send(reply, ACKNOWLEDGEMENT.again);
      reply = `$JS.ACK.${stream}.${durable}.1.${sequence}.${delivered.consumer_seq}.0.0`;
    }
    // The server works these off beside everything else. The answer to the last one tells that it is through: a pull
    // that came before would be filled with what is new.
    if (reply !== undefined) await this.#jetStream.acknowledge(reply, ACKNOWLEDGEMENT.again);
  }

  #signalWork(): void {
    this.#signs = this.#link.clock.schedule(WORKING_INTERVAL, () => {
      for (const { reply } of this.#consumption.held()) this.#link.send(reply, ACKNOWLEDGEMENT.working);
      this.#signalWork();
    });
  }
}

const foreign = (stream: string, durable: string, why: string): AppError =>
  new AppError('FAILED_PRECONDITION', `consumer ${durable} of stream ${stream} is not ours: ${why}`, {
    reason: 'CONSUMER_DIFFERS',
    metadata: { stream, durable },
  });
