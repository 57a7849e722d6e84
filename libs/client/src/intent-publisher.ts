import { randomUUID } from 'node:crypto';
import type { Bus, Received, Subscription } from '@outboard/bus';
import {
  decodeError,
  HEADERS,
  isRequester,
  MAX_BODY_BYTES,
  MAX_REQUESTED_BY_LENGTH,
  type ResourceAddress,
  SUBJECT_PREFIX,
  subjects,
} from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Result, systemClock } from '@outboard/core';

/** A resource without its spec, as `accepted` and `deleted` events carry it. */
export interface AnsweredResource {
  readonly kind: string;
  readonly metadata: {
    readonly tenant?: string;
    readonly name: string;
    readonly generation?: number;
    readonly resourceVersion?: string;
  };
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface SubmitOptions {
  readonly operation?: 'apply' | 'delete';
  /** The same id always gets the same answer. Default: a new one. */
  readonly messageId?: string;
  /** Whom the caller acts for, 1-256 printable ASCII characters: the events that follow say so. Nobody checks it. */
  readonly requestedBy?: string;
}

/** Between two sendings of an intent that has no answer yet. */
const RESEND_MILLISECONDS = 2_000;
/** After it nobody waits any more; the intent may still be answered. */
const DEADLINE_MILLISECONDS = 60_000;
/** Intents that wait for their answers; one more is refused. */
const MAX_WAITING = 100_000;

/**
 * Publishes intents of a tenant on the durable stream and follows their answers. The broker's acknowledgement only
 * says that an intent is queued; the `accepted`, `deleted` or `refused` event that names its id says what became of
 * it. Until that comes, the same message is sent again with the same id.
 */
export class IntentPublisher implements AsyncDisposable {
  readonly #waiting = new Map<string, (answer: Result<AnsweredResource, AppError>) => void>();
  #events: Subscription | undefined;
  #again: Disposable | undefined;
  #closed = false;

  private constructor(
    private readonly bus: Bus,
    private readonly clock: Clock,
  ) {}

  /** Resolves when answers are followed: everything that is submitted later is answered. */
  static async open(bus: Bus, tenant: string, clock: Clock = systemClock): Promise<IntentPublisher> {
    const publisher = new IntentPublisher(bus, clock);
    await publisher.#follow(tenant);
    return publisher;
  }

  /** The resource as accepted (or as it was, when deleted), or why it was refused. */
  async submit(
    address: ResourceAddress,
    body: Uint8Array,
    { operation = 'apply', messageId = randomUUID(), requestedBy }: SubmitOptions = {},
  ): Promise<Result<AnsweredResource, AppError>> {
    if (body.length > MAX_BODY_BYTES) {
      const description = `has ${body.length} bytes; must be at most ${MAX_BODY_BYTES}`;
      return err(AppError.invalid([{ field: '', description }], { reason: 'BODY_TOO_LARGE' }));
    }
    if (requestedBy !== undefined && !isRequester(requestedBy)) {
      const description = `must be 1-${MAX_REQUESTED_BY_LENGTH} printable ASCII characters`;
      return err(AppError.invalid([{ field: HEADERS.requestedBy, description }]));
    }
    if (this.#waiting.size >= MAX_WAITING) {
      return err(new AppError('RESOURCE_EXHAUSTED', `${MAX_WAITING} intents wait for their answers`));
    }
    const subject = subjects.intent(address);
    const headers = {
      [HEADERS.operation]: operation,
      [HEADERS.messageId]: messageId,
      ...(requestedBy !== undefined && { [HEADERS.requestedBy]: requestedBy }),
    };
    const end = this.clock.monotonic() + DEADLINE_MILLISECONDS;
    let timer: Disposable | undefined;
    const answer = new Promise<Result<AnsweredResource, AppError>>((resolve) => {
      this.#waiting.set(messageId, resolve);
      const send = (): void => {
        if (this.clock.monotonic() >= end) {
          resolve(
            err(new AppError('DEADLINE_EXCEEDED', `${subject}: no answer in ${DEADLINE_MILLISECONDS} ms`)),
          );
          return;
        }
        // What the broker did not take is sent again like what nobody answered.
        void this.bus.publish(subject, { headers, body }, { messageId });
        timer = this.clock.schedule(RESEND_MILLISECONDS, send);
      };
      send();
    });
    const result = await answer;
    timer?.[Symbol.dispose]();
    this.#waiting.delete(messageId);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#again?.[Symbol.dispose]();
    await this.#events?.[Symbol.asyncDispose]();
    for (const resolve of this.#waiting.values())
      resolve(err(new AppError('CANCELLED', 'the publisher was closed')));
  }

  async #follow(tenant: string): Promise<void> {
    const filterSubject = `${SUBJECT_PREFIX}.event.${tenant}.>`;
    const events = await this.bus.watch(
      { stream: 'OUTBOARD_EVENT', filterSubject, from: 'new' },
      { message: (event) => this.#take(event) },
    );
    if (this.#closed) return events[Symbol.asyncDispose]();
    this.#events = events;
    events.closed.catch(() => this.#followAgain(tenant));
  }

  /**
   * After an outage the log may have forgotten where this was, and may itself not be there until somebody makes it again:
   * whatever the reason, it is tried again. What was missed is answered again: whatever waits is sent again until it is.
   */
  #followAgain(tenant: string): void {
    if (this.#closed) return;
    this.#again = this.clock.schedule(RESEND_MILLISECONDS, () => {
      this.#follow(tenant).catch(() => this.#followAgain(tenant));
    });
  }

  #take({ subject, headers, body }: Received): void {
    const resolve = this.#waiting.get(headers[HEADERS.cause] ?? '');
    if (!resolve) return;
    const transition = subject.slice(subject.lastIndexOf('.') + 1);
    if (transition === 'refused') resolve(err(decodeError(headers, body)));
    if (transition === 'accepted' || transition === 'deleted') {
      resolve(ok(JSON.parse(Buffer.from(body).toString()) as AnsweredResource));
    }
  }
}
