import { HEADERS } from '@outboard/contracts';
import { type AppError, type Clock, err, ok, type Result } from '@outboard/core';
import { busErrors } from '../errors.js';
import type { Message, PublishAck, Received, StreamSpec } from '../port.js';
import { matcher } from '../subject-patterns.js';

/** A message as a stream keeps it. */
export interface StoredMessage extends Received {
  readonly sequence: number;
  readonly time: number;
  readonly size: number;
}

/** Ids remembered beyond the window's own limit: a bound, not a promise. */
const MAX_REMEMBERED_IDS = 1_000_000;

/** A stream in memory, with the limits, the duplicate window and the numbering that JetStream has. */
export class InProcessStream {
  spec: StreamSpec;
  readonly madeAt: number;
  readonly #clock: Clock;
  readonly #messages = new Map<number, StoredMessage>();
  readonly #bySubject = new Map<string, Set<number>>();
  /** Message ids in order of arrival. */
  readonly #ids = new Map<string, { readonly sequence: number; readonly time: number }>();
  readonly #listeners = new Set<() => void>();
  #captures: readonly ((subject: string) => boolean)[];
  #lastSequence = 0;
  #bytes = 0;

  constructor(spec: StreamSpec, clock: Clock, madeAt: number) {
    this.spec = spec;
    this.#clock = clock;
    this.madeAt = madeAt;
    this.#captures = spec.subjects.map(matcher);
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** Sequence of the oldest message; one after the last when there is none. */
  get firstSequence(): number {
    this.#expire();
    for (const sequence of this.#messages.keys()) return sequence;
    return this.#lastSequence + 1;
  }

  captures(subject: string): boolean {
    return this.#captures.some((matches) => matches(subject));
  }

  update(spec: StreamSpec): void {
    this.spec = spec;
    this.#captures = spec.subjects.map(matcher);
    this.#expire();
    for (const subject of this.#bySubject.keys()) this.#trimSubject(subject);
    while (this.#hasTooMuch() && this.#messages.size > 0) this.remove(this.firstSequence);
  }

  append(subject: string, message: Message, messageId: string | undefined): Result<PublishAck, AppError> {
    this.#expire();
    const stream = this.spec.name;
    const known = messageId === undefined ? undefined : this.#ids.get(messageId);
    if (known) return ok({ stream, sequence: known.sequence, duplicate: true });
    const size = sizeOf(subject, message);
    if (size > this.spec.maxMessageBytes) {
      return err(busErrors.tooLarge('body with headers', this.spec.maxMessageBytes, size, subject));
    }
    const { whenFull, maxBytes, maxMessages } = this.spec;
    if (whenFull === 'refuse' && this.#bytes + size > maxBytes)
      return err(busErrors.streamFull(stream, `${maxBytes} bytes`));
    if (whenFull === 'refuse' && this.#messages.size === maxMessages)
      return err(busErrors.streamFull(stream, `${maxMessages} messages`));
    const sequence = ++this.#lastSequence;
    const time = this.#clock.now();
    this.#messages.set(sequence, { subject, ...message, sequence, time, size });
    this.#bytes += size;
    const ofSubject = this.#bySubject.get(subject);
    if (ofSubject) ofSubject.add(sequence);
    else this.#bySubject.set(subject, new Set([sequence]));
    if (messageId !== undefined) this.#ids.set(messageId, { sequence, time });
    this.#trimSubject(subject);
    while (this.#hasTooMuch() && this.#messages.size > 1) this.remove(this.firstSequence);
    for (const listener of this.#listeners) listener();
    return ok({ stream, sequence, duplicate: false });
  }

  get(sequence: number): StoredMessage | undefined {
    return this.#messages.get(sequence);
  }

  /** The first message from `sequence` on whose subject matches. */
  next(sequence: number, matches: (subject: string) => boolean): StoredMessage | undefined {
    const start = Math.max(sequence, this.firstSequence);
    for (let at = start; at <= this.#lastSequence; at++) {
      const message = this.#messages.get(at);
      if (message && matches(message.subject)) return message;
    }
    return undefined;
  }

  /** Sequences of the newest message of each subject that matches, ascending. */
  lastPerSubject(matches: (subject: string) => boolean): number[] {
    this.#expire();
    const sequences: number[] = [];
    for (const [subject, ofSubject] of this.#bySubject) {
      if (!matches(subject)) continue;
      let last = 0;
      for (const sequence of ofSubject) last = sequence;
      sequences.push(last);
    }
    return sequences.sort((one, other) => one - other);
  }

  remove(sequence: number): boolean {
    const message = this.#messages.get(sequence);
    if (!message) return false;
    this.#messages.delete(sequence);
    this.#bytes -= message.size;
    const ofSubject = this.#bySubject.get(message.subject);
    ofSubject?.delete(sequence);
    if (ofSubject?.size === 0) this.#bySubject.delete(message.subject);
    return true;
  }

  /** Calls back after each message that was added. */
  onAppend(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #hasTooMuch(): boolean {
    const { maxBytes, maxMessages } = this.spec;
    return this.#bytes > maxBytes || (maxMessages >= 0 && this.#messages.size > maxMessages);
  }

  #trimSubject(subject: string): void {
    const limit = this.spec.maxMessagesPerSubject;
    const ofSubject = this.#bySubject.get(subject);
    if (limit < 0 || !ofSubject) return;
    for (const sequence of ofSubject) {
      if (ofSubject.size <= limit) return;
      this.remove(sequence);
    }
  }

  #expire(): void {
    const now = this.#clock.now();
    if (this.spec.maxAgeMilliseconds > 0) {
      for (const { sequence, time } of this.#messages.values()) {
        if (now - time < this.spec.maxAgeMilliseconds) break;
        this.remove(sequence);
      }
    }
    for (const [id, { time }] of this.#ids) {
      if (now - time < this.spec.duplicateWindowMilliseconds && this.#ids.size <= MAX_REMEMBERED_IDS) break;
      this.#ids.delete(id);
    }
  }
}

function sizeOf(subject: string, { headers, body }: Message): number {
  let size = subject.length + body.length;
  for (const [name, value] of Object.entries(headers)) size += name.length + value.length + 4;
  return size;
}

/** The headers as they arrive: with the message id, and trimmed, as NATS does. */
export function travelled(message: Message, messageId?: string): Message {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers)) headers[name] = value.trim();
  if (messageId !== undefined) headers[HEADERS.messageId] = messageId;
  return { headers, body: message.body.slice() };
}
