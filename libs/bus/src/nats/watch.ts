import { randomUUID } from 'node:crypto';
import type { ConsumerInfo } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { type AppError, err, ok, type Result } from '@outboard/core';
import { busErrors } from '../errors.js';
import type { WatchHandler, WatchSpec } from '../port.js';
import { STREAM } from '../streams.js';
import { Feed } from './feed.js';
import type { JetStream } from './jetstream.js';
import type { Link } from './link.js';
import { reopening } from './reopening.js';
import { type DeliveryInfo, decodeMessage, deliveryInfo, milliseconds, nanoseconds } from './wire.js';

/** Messages that are read ahead of the handler. */
const READ_AHEAD = 256;

/** A consumer that nobody pulls from is removed by the server after this, milliseconds. */
const INACTIVE_AFTER = 60_000;

/**
 * A last-value watch that was cut off for longer starts over instead of going on: tombstones may have been removed from
 * its stream by then, so it could miss a deletion. Milliseconds; docs/bus.md tells how long tombstones are kept.
 */
const RESUME_WITHIN = 10 * 60_000;

/** The last message that the handler has seen. Found where it was, it proves that the stream is still the same. */
interface Cursor {
  readonly sequence: number;
  readonly time: string;
}

/**
 * Reads a stream in order through a short-lived consumer of its own, which it makes again whenever that is lost. It
 * goes on behind the last message that it delivered, if that one is still there and the same. If not, a last-value watch
 * starts over; a log starts over when its stream is another one, and ends with OUT_OF_RANGE when the stream only forgot.
 * Needs no right to look into the stream, only to read what its filter matches.
 */
export class NatsWatch {
  /** Rejects when the watch cannot go on; resolves after `stop`. */
  readonly ended: Promise<void>;
  readonly #link: Link;
  readonly #jetStream: JetStream;
  readonly #spec: WatchSpec;
  readonly #handler: WatchHandler;
  readonly #feed: Feed;
  readonly #listening: Disposable;
  readonly #stopped = new AbortController();
  readonly #queue: { readonly received: Msg; readonly info: DeliveryInfo }[] = [];
  #end: (failure?: unknown) => void = () => {};
  #working: Promise<void> | undefined;
  /** Rises with every opening; one that finds it changed gives up. */
  #openings = 0;
  #consumer: string | undefined;
  #expected = 1;
  /** Where to start as long as nothing was delivered. */
  #origin: WatchSpec['from'];
  #cursor: Cursor | undefined;
  /** The next message must be the cursor's. */
  #proving = false;
  /** Why the cursor cannot be gone on from: its stream is another one, or has forgotten it. */
  #doubt: 'lost' | 'forgotten' | undefined;
  #started = false;
  #isCurrent = false;
  /** Messages that were there at the opening and have not come: they come before newer ones. */
  #initial = 0;
  #downSince: number | undefined;

  constructor(link: Link, jetStream: JetStream, spec: WatchSpec, handler: WatchHandler) {
    this.#link = link;
    this.#jetStream = jetStream;
    this.#spec = spec;
    this.#handler = handler;
    this.#origin = spec.from;
    this.ended = new Promise((resolve, reject) => {
      this.#end = (failure) => (failure === undefined ? resolve() : reject(failure));
    });
    this.#feed = new Feed(link, {
      message: (received) => this.#received(received),
      idle: () => this.#idle(),
      lost: () => void this.#reopen(),
    });
    this.#listening = link.listen({
      down: () => {
        this.#downSince ??= link.clock.monotonic();
        this.#feed.close();
      },
      up: () => void this.#reopen(),
    });
  }

  /** Opens it for the first time: here a refusal is the caller's, later it is waited out. */
  async start(): Promise<void> {
    const opened = await this.#open(++this.#openings);
    if (opened.ok) return;
    this.#listening[Symbol.dispose]();
    throw opened.error;
  }

  /** Resolves when the handler has returned for the last time. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#openings++;
    this.#listening[Symbol.dispose]();
    this.#feed.close();
    this.#queue.length = 0;
    this.#removeConsumer();
    await this.#working;
    this.#end();
  }

  async #reopen(): Promise<void> {
    const opening = ++this.#openings;
    await reopening(this.#link, this.#stopped.signal, async () => {
      // A later one has it: what that has opened is not to be closed.
      if (opening !== this.#openings) return true;
      this.#feed.close();
      // What was read ahead comes again: the new consumer starts at what the handler has seen last.
      this.#queue.length = 0;
      await this.#working;
      if (opening !== this.#openings) return true;
      const opened = await this.#open(opening);
      if (!opened.ok && opened.error.code === 'OUT_OF_RANGE') this.#end(opened.error);
      return opened.ok || opened.error.code === 'OUT_OF_RANGE';
    });
  }

  async #open(opening: number): Promise<Result<void, AppError>> {
    this.#removeConsumer();
    const { stream } = this.#spec;
    const doubt = this.#doubt ?? (this.#wasAwayTooLong() ? 'forgotten' : undefined);
    if (doubt) return this.#startOver(opening, doubt, this.#cursor?.sequence ?? 0);

    const from = this.#cursor?.sequence ?? this.#origin;
    const created = await this.#createConsumer(from);
    if (!created.ok) return created;
    this.#consumer = created.value.name;
    if (opening !== this.#openings) {
      this.#removeConsumer();
      return ok(undefined);
    }
    // The sequence before the first that can come; the stream's last one when that is before the asked start.
    const before = created.value.delivered.stream_seq;
    if (typeof from === 'number' && from > 0 && before !== from - 1) {
      if (this.#started) return this.#startOver(opening, before < from - 1 ? 'lost' : 'forgotten', from);
      this.#removeConsumer();
      return err(busErrors.outOfRange(stream, from));
    }
    this.#proving = this.#cursor !== undefined;
    if (this.#proving && created.value.num_pending === 0) {
      return this.#startOver(opening, 'forgotten', before + 1);
    }
    if (this.#origin === 'new') this.#origin = before + 1;
    this.#started = true;
    this.#downSince = undefined;
    this.#expected = 1;
    this.#initial = created.value.num_pending;
    this.#feed.open(stream, this.#consumer);
    this.#pull();
    if (created.value.num_pending === 0) this.#sayCurrent();
    return ok(undefined);
  }

  /** Starts over where that is right for what is watched; a log that forgot cannot be made whole. */
  #startOver(
    opening: number,
    why: 'lost' | 'forgotten',
    wanted: number,
  ): Promise<Result<void, AppError>> | Result<void, AppError> {
    const lastValues = this.#spec.from === 'last-per-subject';
    this.#doubt = undefined;
    if (why === 'forgotten' && !lastValues) {
      this.#removeConsumer();
      return err(busErrors.outOfRange(this.#spec.stream, wanted));
    }
    this.#cursor = undefined;
    this.#origin = lastValues ? 'last-per-subject' : 0;
    this.#isCurrent = false;
    this.#downSince = undefined;
    this.#handler.restart?.();
    return this.#open(opening);
  }

  #wasAwayTooLong(): boolean {
    return (
      this.#spec.from === 'last-per-subject' &&
      this.#cursor !== undefined &&
      this.#downSince !== undefined &&
      this.#link.clock.monotonic() - this.#downSince > RESUME_WITHIN
    );
  }

  #createConsumer(from: WatchSpec['from']): Promise<Result<ConsumerInfo, AppError>> {
    // Nobody can guess the name, so nobody else can pull from the consumer or delete it.
    return this.#jetStream.setConsumer(this.#spec.stream, randomUUID(), this.#spec.filterSubject, {
      ...deliverPolicy(this.#spec.stream, from),
      ack_policy: 'none',
      replay_policy: 'instant',
      max_deliver: 1,
      inactive_threshold: nanoseconds(INACTIVE_AFTER),
      mem_storage: true,
      num_replicas: 1,
    });
  }

  #removeConsumer(): void {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    // Not awaited: should it fail, the server removes the consumer by itself.
    if (consumer !== undefined) void this.#jetStream.deleteConsumer(this.#spec.stream, consumer);
  }

  #received(received: Msg): void {
    const info = deliveryInfo(received.reply);
    if (!info) return;
    // A gap: something between server and here was dropped.
    if (info.consumerSequence !== this.#expected) return void this.#reopen();
    this.#expected++;
    this.#queue.push({ received, info });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
      this.#pull();
    });
  }

  /** The server has nothing more to send at present. */
  #idle(): void {
    this.#pull();
    if (this.#working) return;
    if (this.#proving) this.#doubtCursor('forgotten');
    else this.#sayCurrent();
  }

  async #work(): Promise<void> {
    // Like the caller expects of something asynchronous: nothing is delivered before `watch` has answered.
    await Promise.resolve();
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        const { received, info } = next;
        if (this.#proving) {
          if (!this.#proves(info)) return;
        } else {
          const { subject } = received;
          const { headers, body } = decodeMessage(received);
          const handled = this.#handler.message({
            subject,
            headers,
            body,
            streamSequence: info.streamSequence,
            storedAt: milliseconds(Number(info.time)),
          });
          if (handled) await handled;
          this.#cursor = { sequence: info.streamSequence, time: info.time };
        }
        // Some of the initial ones may have been replaced meanwhile; then fewer come.
        if (--this.#initial <= 0 || info.pending === 0) this.#sayCurrent();
        this.#pull();
      }
    } catch (thrown) {
      this.#feed.close();
      this.#queue.length = 0;
      this.#end(thrown);
    }
  }

  #proves({ streamSequence, time }: DeliveryInfo): boolean {
    this.#proving = false;
    if (streamSequence === this.#cursor?.sequence && time === this.#cursor.time) return true;
    this.#doubtCursor(streamSequence === this.#cursor?.sequence ? 'lost' : 'forgotten');
    return false;
  }

  #doubtCursor(doubt: 'lost' | 'forgotten'): void {
    this.#doubt = doubt;
    void this.#reopen();
  }

  #sayCurrent(): void {
    if (this.#isCurrent || this.#stopped.signal.aborted) return;
    this.#isCurrent = true;
    this.#handler.current?.();
  }

  #pull(): void {
    const room = READ_AHEAD - this.#queue.length - this.#feed.outstanding;
    if (room * 2 >= READ_AHEAD) this.#feed.pull(room);
  }
}

/**
 * Where a stream keeps one message per subject, all messages are the last ones. nats-server 2.9 is not asked for these:
 * after thousands of changes of other subjects such a consumer of a single subject starts behind its message, which is
 * never delivered then, and one with wildcards may get a message twice.
 */
function deliverPolicy(stream: string, from: WatchSpec['from']) {
  if (from === 'new') return { deliver_policy: 'new' } as const;
  if (from === 0 || (from === 'last-per-subject' && LAST_VALUE_STREAMS.has(stream))) {
    return { deliver_policy: 'all' } as const;
  }
  if (from === 'last-per-subject') return { deliver_policy: 'last_per_subject' } as const;
  return { deliver_policy: 'by_start_sequence', opt_start_seq: from } as const;
}

const LAST_VALUE_STREAMS: ReadonlySet<string> = new Set(
  Object.values(STREAM)
    .filter(({ maxMessagesPerSubject }) => maxMessagesPerSubject === 1)
    .map(({ name }) => name),
);
