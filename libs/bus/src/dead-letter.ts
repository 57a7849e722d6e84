import { HEADERS, subjects } from '@outboard/contracts';
import type { Delivery, Message, Received } from './port.js';

/** Most characters of headers that a dead letter takes over: what is stored must not be refused for its size. */
const MAX_HEADER_CHARACTERS = 32 * 1024;

const DEAD_PREFIX = subjects.dead('');

/** The id of a dead letter ends with the sequence of what it keeps. */
const LETTER_ID = /^[^.]+\.[^.]+\.(\d{1,15})$/;

/** A dead letter: where it goes, and an id that is its own, since a message may be parked, replayed and parked again. */
export interface DeadLetter {
  readonly subject: string;
  readonly message: Message;
  readonly messageId: string;
}

/**
 * The dead letter of a delivery: its body and headers, with the reason added. Headers that would command the broker
 * (`Nats-Expected-Stream`, `Nats-Rollup`, ...) are left out: whoever sent them must not be able to prevent parking.
 */
export function deadLetter(
  delivery: Delivery,
  origin: { stream: string; durable: string },
  reason: string,
): DeadLetter {
  const headers: Record<string, string> = {};
  let characters = 0;
  for (const [name, value] of Object.entries(delivery.headers)) {
    characters += name.length + value.length;
    if (!name.startsWith('Nats-') && characters <= MAX_HEADER_CHARACTERS) headers[name] = value;
  }
  const messageId = delivery.headers[HEADERS.messageId];
  if (messageId !== undefined) headers[HEADERS.deadMessageId] = messageId;
  headers[HEADERS.deadReason] = reason.replaceAll(/[^ -~]/g, '?');
  headers[HEADERS.deadDeliveries] = String(delivery.deliveries);
  // One that was replayed and is parked again keeps the place that it had at first.
  headers[HEADERS.deadSequence] ??= String(delivery.streamSequence);
  return {
    subject: subjects.dead(delivery.subject),
    message: { headers, body: delivery.body },
    messageId: `${origin.stream}.${origin.durable}.${delivery.streamSequence}`,
  };
}

/** What was parked, as a dead letter keeps it. */
export interface ParkedMessage {
  readonly subject: string;
  readonly message: Message;
  /** Undefined where it had none. */
  readonly messageId: string | undefined;
  /** Where it stood in its stream when it was parked; undefined where the letter's id does not tell. */
  readonly streamSequence: number | undefined;
}

/**
 * What was parked, to be sent again: as it was sent, and with its place in the stream (`HEADERS.deadSequence`), so that
 * whoever handles it can tell what came after it. Undefined when it is no dead letter.
 */
export function parkedMessage(letter: Received): ParkedMessage | undefined {
  if (!letter.subject.startsWith(DEAD_PREFIX)) return undefined;
  const {
    [HEADERS.messageId]: ownId = '',
    [HEADERS.deadMessageId]: messageId,
    [HEADERS.deadReason]: _reason,
    [HEADERS.deadDeliveries]: _deliveries,
    ...headers
  } = letter.headers;
  const [, sequence] = LETTER_ID.exec(ownId) ?? [];
  return {
    subject: letter.subject.slice(DEAD_PREFIX.length),
    message: { headers, body: letter.body },
    messageId,
    streamSequence: sequence === undefined ? undefined : Number(sequence),
  };
}
