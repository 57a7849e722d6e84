import { createHash } from 'node:crypto';
import { HEADERS, MAX_MESSAGE_ID_LENGTH, type WireError } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { RememberedAnswer } from '@outboard/store';
import type { StreamPosition } from './origins.js';

/** The answer to a command: the resource as JSON, or the refusal as it travels. */
export type Answer = {
  /** Of an intent: tells a redelivery of the very same message from a repetition by its author. */
  readonly position?: StreamPosition;
} & (
  | { readonly accepted: true; readonly object: unknown }
  | {
      readonly accepted: false;
      readonly headers: Readonly<Record<string, string>>;
      /** The JSON text of the error body. */
      readonly body: string;
    }
);

/** A request with its message id, so that a repetition can be told from another request with the same id. */
export interface IdentifiedRequest {
  readonly messageId: string;
  /** SHA-256 of what is asked, hex. */
  readonly fingerprint: string;
}

export function fingerprintOf(subject: string, operation: string, body: Uint8Array): string {
  return createHash('sha256').update(`${subject}\n${operation}\n`).update(body).digest('hex');
}

/** What NATS and the store take as an id. */
const MESSAGE_ID = new RegExp(`^[!-~]{1,${MAX_MESSAGE_ID_LENGTH}}$`);

export function checkMessageId(messageId: string): AppError | undefined {
  if (MESSAGE_ID.test(messageId)) return undefined;
  const description = `must be 1-${MAX_MESSAGE_ID_LENGTH} printable ASCII characters without spaces`;
  return AppError.invalid([{ field: HEADERS.messageId, description }]);
}

/** The answer that this request got before; a refusal when the id was used for something else. */
export function recall(
  remembered: RememberedAnswer | undefined,
  { messageId, fingerprint }: IdentifiedRequest,
): Result<Answer | undefined, AppError> {
  if (!remembered) return ok(undefined);
  if (remembered.fingerprint === fingerprint) return ok(JSON.parse(remembered.answer) as Answer);
  const message = `message id ${messageId} was used for another request`;
  return err(new AppError('ALREADY_EXISTS', message, { reason: 'MESSAGE_ID_REUSED' }));
}

export const refusalOf = (error: WireError): Answer => ({
  accepted: false,
  headers: error.headers,
  body: Buffer.from(error.body).toString(),
});
