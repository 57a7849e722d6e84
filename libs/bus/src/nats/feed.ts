import type { Msg, Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Link } from './link.js';
import { nanoseconds } from './wire.js';

/** How long the server keeps a pull that it cannot fill, and how often it says that it still has it, milliseconds. */
const PULL_EXPIRES = 30_000;
const HEARTBEAT = 5_000;

/** Without a word for so long the server has forgotten the pull, milliseconds. */
const SILENCE = 2.5 * HEARTBEAT;

const STATUS = { heartbeat: 100, notFound: 404, timeout: 408 } as const;

export interface FeedHandler {
  message(received: Msg): void;
  /** A pull ended unfilled, or the server says that there is nothing at present. */
  idle(): void;
  /** Stream or consumer is gone, or the server is silent: nothing more comes until it is opened again. */
  lost(why: string): void;
}

/**
 * Pulls from one consumer. It asks for exactly as many messages as there is room for, which the client's own `consume`
 * does not: that one refills at its own threshold, whatever still waits here. Every opening has an inbox of its own, so
 * answers to pulls of an earlier one cannot count twice.
 */
export class Feed {
  readonly #link: Link;
  readonly #handler: FeedHandler;
  #subscription: NatsSubscription | undefined;
  #subject = '';
  #inbox = '';
  #outstanding = 0;
  #lastHeard = 0;
  #watchdog: Disposable | undefined;

  constructor(link: Link, handler: FeedHandler) {
    this.#link = link;
    this.#handler = handler;
  }

  /** Messages that were asked for and have not come. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined;
  }

  open(stream: string, consumer: string): void {
    this.close();
    this.#subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    this.#inbox = this.#link.inbox();
    const inbox = this.#inbox;
    this.#subscription = this.#link.connection.subscribe(inbox, {
      callback: (error, received) => {
        if (inbox !== this.#inbox || !this.#subscription) return;
        if (error) this.#lose(error.message);
        else this.#received(received);
      },
    });
  }

  pull(count: number): void {
    if (!this.#subscription || count <= 0) return;
    const request = {
      batch: count,
      expires: nanoseconds(PULL_EXPIRES),
      idle_heartbeat: nanoseconds(HEARTBEAT),
    };
    this.#outstanding += count;
    this.#lastHeard = this.#link.clock.monotonic();
    this.#watch();
    this.#link.send(this.#subject, JSON.stringify(request), { reply: this.#inbox });
  }

  close(): void {
    this.#outstanding = 0;
    this.#watchdog?.[Symbol.dispose]();
    this.#watchdog = undefined;
    // The client forgets the subscription by itself when the connection is closed.
    if (!this.#link.connection.isClosed()) this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  #received(received: Msg): void {
    this.#lastHeard = this.#link.clock.monotonic();
    // A delivery keeps its own subject; what the server says about the pull comes on the inbox itself.
    if (received.subject !== this.#inbox) {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#handler.message(received);
      return;
    }
    const { code = 0, description = '' } = received.headers ?? {};
    if (code === STATUS.heartbeat) {
      this.#handler.idle();
    } else if (code === STATUS.timeout || code === STATUS.notFound) {
      const unfilled = Number(received.headers?.get('Nats-Pending-Messages'));
      this.#outstanding = unfilled > 0 ? Math.max(0, this.#outstanding - unfilled) : 0;
      this.#handler.idle();
    } else {
      this.#lose(`${code} ${description}`);
    }
  }

  #lose(why: string): void {
    this.close();
    this.#handler.lost(why);
  }

  #watch(): void {
    this.#watchdog ??= this.#link.clock.schedule(SILENCE, () => {
      this.#watchdog = undefined;
      if (this.#outstanding === 0) return;
      const silent = this.#link.clock.monotonic() - this.#lastHeard;
      if (silent >= SILENCE) this.#lose(`silent for ${Math.round(silent)} ms`);
      else this.#watch();
    });
  }
}
