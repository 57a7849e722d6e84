import { hash } from 'node:crypto';
import type { WireError } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { RememberedAnswer } from '@outboard/store';
import type { StreamPosition } from './origins.js';

/** The answer to a command. */
export interface Answer {
  /** Of a refusal: the headers that it travels with. */
  readonly refusal?: WireError['headers'];
  /** JSON text: the resource (without its spec, where an event is the answer), or the body of the refusal. */
  readonly body: string;
  /** Of an intent: tells a redelivery of the very same message from a repetition by its author. */
  readonly position?: StreamPosition;
}

/** A request with its message id, so that a repetition can be told from another request with the same id. */
export interface IdentifiedRequest {
  readonly messageId: string;
  /** SHA-256 of what is asked, hex. */
  readonly fingerprint: string;
}

export function fingerprintOf(subject: string, operation: string, body: Uint8Array): string {
  return hash('sha256', Buffer.concat([Buffer.from(`${subject}\n${operation}\n`), body]), 'hex');
}

/** The answer that this request got before; a refusal when the id was used for something else. */
export function recall(
  remembered: RememberedAnswer | undefined,
  { messageId, fingerprint }: IdentifiedRequest,
): Result<Answer | undefined, AppError> {
  if (!remembered) return ok(undefined);
  if (remembered.fingerprint === fingerprint) return ok(answerFromText(remembered.answer));
  const message = `message id ${messageId} was used for another request`;
  return err(new AppError('ALREADY_EXISTS', message, { reason: 'MESSAGE_ID_REUSED' }));
}

export const refusalOf = ({ headers, body }: WireError): Answer => ({
  refusal: headers,
  body: Buffer.from(body).toString(),
});

/** The text that the store keeps. The body is in it as JSON, not as the text of a text. */
export function answerToText({ body, ...rest }: Answer): string {
  return `[${JSON.stringify(rest)},${body}]`;
}

function answerFromText(text: string): Answer {
  const [rest, body] = JSON.parse(text) as [Omit<Answer, 'body'>, unknown];
  return { ...rest, body: JSON.stringify(body) };
}
