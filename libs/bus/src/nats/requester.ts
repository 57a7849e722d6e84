import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { AppError, err, ok, type Result } from '@outboard/core';
import { busErrors } from '../errors.js';
import { Gathering, type GatherLimits } from '../gathering.js';
import type { Link } from './link.js';

/** Requests and publishes that wait for their answers. */
const MAX_PENDING = 16_384;

export interface Question {
  readonly subject: string;
  readonly body: Uint8Array | string;
  readonly headers: MsgHdrs | undefined;
  /** Milliseconds from the call to the answer, whatever the connection does meanwhile. */
  readonly deadline: number;
  /** Asked again after a reconnect. Only what the receiver recognises as the same may be. */
  readonly repeatable: boolean;
}

interface Pending extends Question {
  readonly token: string;
  readonly timer: Disposable;
  readonly settle: (result: Result<Msg, AppError>) => void;
  /** Of a question to many: takes an answer without settling it. */
  readonly collect: ((answer: Msg, complete: () => void) => void) | undefined;
  sent: boolean;
}

/**
 * Everything that expects one answer: requests, durable publishes, calls of the JetStream API. All answers arrive on
 * one inbox. The client's own `request` cannot be used for durable publishes: what it sends into a broken connection is
 * gone, and the caller learns of it only at the deadline. Here what waits for the connection is sent in order when it
 * is back, and what was under way is asked again or refused at once.
 */
export class Requester {
  readonly #link: Link;
  readonly #inbox: string;
  /** In the order of the calls. */
  readonly #pending = new Map<string, Pending>();
  readonly #listening: Disposable;
  #tokens = 0;

  /** Rejects with PERMISSION_DENIED when the role may not listen on its inbox: nothing could ever be answered. */
  static async open(link: Link): Promise<Requester> {
    let refused = false;
    const requester = new Requester(link, () => {
      refused = true;
    });
    await link.flush();
    if (!refused) return requester;
    throw new AppError('PERMISSION_DENIED', `this role may not listen on ${link.inboxPrefix}.>`, {
      reason: 'SUBJECT_DENIED',
      metadata: { subject: link.inboxPrefix },
    });
  }

  private constructor(link: Link, refused: () => void) {
    this.#link = link;
    this.#inbox = `${link.inbox()}.`;
    link.connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => {
        if (error) refused();
        else this.#answered(message);
      },
    });
    this.#listening = link.listen({
      down: () => this.#down(),
      up: () => this.#up(),
      refused: (operation, subject) => {
        if (operation === 'publish') this.#refused(subject);
      },
      closed: () => this.#closed(),
    });
  }

  /** The answer, which may be a status without body (no responders is a refusal: NO_RESPONDERS). */
  ask(question: Question): Promise<Result<Msg, AppError>> {
    return this.#ask(question);
  }

  /** The answers of many, in the order of their arrival; none when nobody is there. */
  async gather(question: Question, limits: GatherLimits): Promise<Result<readonly Msg[], AppError>> {
    const gathering = new Gathering<Msg>(this.#link.clock, limits);
    const asked = await this.#ask(question, (answer, complete) => gathering.add(answer, complete));
    gathering[Symbol.dispose]();
    const nobody = !asked.ok && asked.error.reason === 'NO_RESPONDERS';
    const late = !asked.ok && asked.error.code === 'DEADLINE_EXCEEDED';
    return asked.ok || nobody || late ? ok(gathering.replies) : asked;
  }

  #ask(question: Question, collect?: Pending['collect']): Promise<Result<Msg, AppError>> {
    if (this.#link.state === 'closed') return Promise.resolve(err(busErrors.closed()));
    if (this.#pending.size >= MAX_PENDING) return Promise.resolve(err(busErrors.tooManyPending(MAX_PENDING)));
    return new Promise((resolve) => {
      const token = (++this.#tokens).toString(36);
      const timer = this.#link.clock.schedule(question.deadline, () => this.#late(token));
      const pending: Pending = { ...question, token, timer, settle: resolve, collect, sent: false };
      this.#pending.set(token, pending);
      if (this.#link.state === 'connected') this.#send(pending);
    });
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#closed();
  }

  #send(pending: Pending): void {
    const { subject, body, headers, token } = pending;
    try {
      const reply = this.#inbox + token;
      this.#link.connection.publish(subject, body, headers ? { reply, headers } : { reply });
      pending.sent = true;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#settle(pending, err(new AppError('INVALID_ARGUMENT', `cannot be sent: ${why}`, { cause })));
    }
  }

  #answered(message: Msg): void {
    const pending = this.#pending.get(message.subject.slice(this.#inbox.length));
    // An answer after the deadline, or a second one.
    if (!pending) return;
    const nobody = message.data.length === 0 && message.headers?.code === 503;
    if (nobody) this.#settle(pending, err(busErrors.noResponders(pending.subject)));
    else if (pending.collect) pending.collect(message, () => this.#settle(pending, ok(message)));
    else this.#settle(pending, ok(message));
  }

  #late(token: string): void {
    const pending = this.#pending.get(token);
    if (!pending) return;
    const { subject, deadline, sent } = pending;
    this.#settle(pending, err(sent ? busErrors.deadline(subject, deadline) : disconnected(subject)));
  }

  #down(): void {
    for (const pending of this.#pending.values()) {
      if (pending.repeatable) pending.sent = false;
      else if (pending.sent) this.#settle(pending, err(disconnected(pending.subject)));
    }
  }

  #up(): void {
    for (const pending of this.#pending.values()) if (!pending.sent) this.#send(pending);
  }

  #refused(subject: string): void {
    for (const pending of this.#pending.values()) {
      if (pending.subject !== subject) continue;
      const error = new AppError('PERMISSION_DENIED', `this role may not publish to ${subject}`, {
        reason: 'SUBJECT_DENIED',
        metadata: { subject },
      });
      this.#settle(pending, err(error));
    }
  }

  #closed(): void {
    for (const pending of this.#pending.values()) this.#settle(pending, err(busErrors.closed()));
  }

  #settle(pending: Pending, result: Result<Msg, AppError>): void {
    pending.timer[Symbol.dispose]();
    this.#pending.delete(pending.token);
    pending.settle(result);
  }
}

const disconnected = (subject: string): AppError =>
  new AppError('UNAVAILABLE', `not connected to NATS; ${subject} has not answered`, {
    reason: 'DISCONNECTED',
    metadata: { subject },
  });
