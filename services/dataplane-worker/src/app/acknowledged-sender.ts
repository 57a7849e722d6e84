import type { Bus } from '@outboard/bus';
import type { AppError, Clock, Random } from '@outboard/core';
import { backoff } from '@outboard/reconcile';
import type { Log } from '@outboard/service-shell/process';

const DEADLINE_MILLISECONDS = 2_000;
const RETRY = { initial: 200, maximum: 10_000 };

export interface AcknowledgedSenderPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What is sent until it is acknowledged or something newer stands in its place. */
export interface Outgoing {
  /** Called for each attempt. */
  encode(): Uint8Array;
  /** The body of the last attempt was acknowledged. */
  acknowledged?(): void;
}

/**
 * Brings the newest to one subject: at once, one request at a time, again after a backoff until it is
 * acknowledged, and again on every new connection. What was overtaken before its turn is never sent.
 */
export class AcknowledgedSender implements Disposable {
  #bus: Bus | undefined;
  #latest: Outgoing | undefined;
  /** `#latest` needs no sending: acknowledged, or refused for good. */
  #settled = true;
  #sending = false;
  #failures = 0;
  #retry: Disposable | undefined;
  #closed = false;
  /** Why the last attempt has failed, as it was told. */
  #trouble: string | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    readonly subject: string,
    private readonly ports: AcknowledgedSenderPorts,
  ) {}

  send(outgoing: Outgoing): void {
    this.#latest = outgoing;
    this.#settled = false;
    this.#failures = 0;
    this.#push();
  }

  /** There is a new connection: whoever had the last one may have lost it. */
  connected(bus: Bus): void {
    this.#bus = bus;
    if (this.#latest !== undefined) this.#settled = false;
    this.#failures = 0;
    this.#push();
  }

  /** Nothing is unacknowledged. */
  get isIdle(): boolean {
    return this.#settled;
  }

  /** Resolves when nothing is unacknowledged. */
  idle(): Promise<void> {
    if (this.#settled) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#retry?.[Symbol.dispose]();
  }

  #push(): void {
    if (this.#sending || this.#closed) return;
    this.#retry?.[Symbol.dispose]();
    if (this.#bus === undefined || this.#latest === undefined || this.#settled) return;
    this.#sending = true;
    void this.#request(this.#bus, this.#latest);
  }

  async #request(bus: Bus, outgoing: Outgoing): Promise<void> {
    const options = { deadlineMilliseconds: DEADLINE_MILLISECONDS };
    const reply = await bus.request(this.subject, { headers: {}, body: outgoing.encode() }, options);
    this.#sending = false;
    if (reply.ok) {
      outgoing.acknowledged?.();
      this.#trouble = undefined;
    }
    if (outgoing !== this.#latest) this.#push();
    else if (reply.ok || isFinal(reply.error)) this.#settle(reply.ok ? undefined : reply.error);
    else this.#retryLater(reply.error);
  }

  #settle(refusal: AppError | undefined): void {
    if (refusal !== undefined) {
      this.ports.log.warn({ subject: this.subject, code: refusal.code }, `refused: ${refusal.message}`);
    }
    this.#settled = true;
    this.#failures = 0;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #retryLater(error: AppError): void {
    const { clock, random, log } = this.ports;
    this.#failures++;
    // Told when it changes, not with every attempt: who receives it may be away for long.
    if (error.message !== this.#trouble)
      log.warn({ subject: this.subject, code: error.code }, `not acknowledged: ${error.message}`);
    this.#trouble = error.message;
    if (this.#closed) return;
    this.#retry = clock.schedule(backoff(RETRY, this.#failures, random), () => this.#push());
  }
}

/** The receiver does not want it: sending the same again changes nothing. */
const isFinal = ({ code }: AppError): boolean => code === 'NOT_FOUND' || code === 'INVALID_ARGUMENT';
