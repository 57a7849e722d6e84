import { createHash } from 'node:crypto';
import type { WireError } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { RememberedAnswer, Snapshot } from '@outboard/store';

/** The answer to a command: the resource as JSON, or the refusal as it travels. */
export type Answer =
  | { readonly accepted: true; readonly object: unknown }
  | {
      readonly accepted: false;
      readonly headers: Readonly<Record<string, string>>;
      /** The JSON text of the error body. */
      readonly body: string;
    };

/** A request with its message id, so that a repetition can be told from another request with the same id. */
export interface IdentifiedRequest {
  readonly messageId: string;
  /** SHA-256 of what is asked, hex. */
  readonly fingerprint: string;
}

export function identifyRequest(
  messageId: string,
  subject: string,
  operation: string,
  body: Uint8Array,
): IdentifiedRequest {
  const fingerprint = createHash('sha256').update(`${subject}\n${operation}\n`).update(body).digest('hex');
  return { messageId, fingerprint };
}

/** The answer that this request got before; a refusal when the id was used for something else. */
export function recall(snapshot: Snapshot, request: IdentifiedRequest): Result<Answer | undefined, AppError> {
  const remembered = snapshot.remembered(request.messageId);
  if (!remembered) return ok(undefined);
  if (remembered.fingerprint === request.fingerprint) return ok(JSON.parse(remembered.answer) as Answer);
  const message = `message id ${request.messageId} was used for another request`;
  return err(new AppError('ALREADY_EXISTS', message, { reason: 'MESSAGE_ID_REUSED' }));
}

export const rememberAnswer = (request: IdentifiedRequest, answer: Answer): RememberedAnswer => ({
  ...request,
  answer: JSON.stringify(answer),
});

export const refusalOf = (error: WireError): Answer => ({
  accepted: false,
  headers: error.headers,
  body: Buffer.from(error.body).toString(),
});
