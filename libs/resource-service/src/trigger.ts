import {
  type Api,
  HEADERS,
  isRequester,
  MAX_MESSAGE_ID_LENGTH,
  MAX_REQUESTED_BY_LENGTH,
} from '@outboard/contracts';
import { type AppError, Problems } from '@outboard/core';
import { SYSTEM_TENANT } from '@outboard/model';

/**
 * Who does something, as far as the permissions on subjects prove it, for a message does not tell who has published it.
 * `tenant/acme`: whoever may send for that tenant (its orchestrators, operators); `operator`: whoever may send for what
 * belongs to no tenant; `dpu/dpu-7`: the worker of that DPU; `service/admin`: the service that owns that API; `system`:
 * this service itself.
 */
export type Actor = `tenant/${string}` | 'operator' | `dpu/${string}` | `service/${Api}` | 'system';

/** The message that asked for something, for the headers of what follows from it. */
export interface Cause {
  /** `Nats-Msg-Id` of the message; absent: a request that had none. */
  readonly messageId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Whom the caller said it acts for: not checked by anybody. */
  readonly requestedBy?: string;
}

/** Whence an event comes. */
export interface Trigger {
  readonly actor: Actor;
  /** Undefined: nobody has ever asked for it. */
  readonly cause: Cause | undefined;
}

type Headers = Readonly<Record<string, string>>;

/** Whose doing an intent or a request for this tenant is. */
export const actorFor = (tenant: string): Actor =>
  tenant === SYSTEM_TENANT ? 'operator' : `tenant/${tenant}`;

/** What NATS and the store take as an id. */
const MESSAGE_ID = new RegExp(`^[!-~]{1,${MAX_MESSAGE_ID_LENGTH}}$`);
/** https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

export const isMessageId = (text: string): boolean => MESSAGE_ID.test(text);

/** What is wrong with the headers in which callers speak of themselves and their message; undefined: nothing. */
export function checkHeaders(headers: Headers): AppError | undefined {
  const { [HEADERS.messageId]: messageId, [HEADERS.requestedBy]: requestedBy } = headers;
  const problems = new Problems();
  if (messageId !== undefined && !isMessageId(messageId)) {
    const rule = `must be 1-${MAX_MESSAGE_ID_LENGTH} printable ASCII characters without spaces`;
    problems.add(HEADERS.messageId, rule);
  }
  if (requestedBy !== undefined && !isRequester(requestedBy)) {
    problems.add(HEADERS.requestedBy, `must be 1-${MAX_REQUESTED_BY_LENGTH} printable ASCII characters`);
  }
  return problems.total > 0 ? problems.toError() : undefined;
}

/** The message with these headers as a cause; what is unusable of them is left out. */
export function causeOf(headers: Headers, messageId: string | undefined): Cause {
  const { traceparent, [HEADERS.requestedBy]: requestedBy } = headers;
  return {
    ...(messageId !== undefined && { messageId }),
    ...(traceparent && TRACEPARENT.test(traceparent) && { traceparent }),
    ...(isRequester(requestedBy) && { requestedBy }),
  };
}

/** As another tenant is told of it whose resources the message has changed too: without names of people. */
export function anonymous({ requestedBy: _, ...cause }: Cause): Cause {
  return cause;
}
