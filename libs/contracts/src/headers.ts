/** Message headers of the bus contract. Names are case-sensitive on NATS. */
export const HEADERS = {
  /** Identity of a message: the same id always gets the same answer (JetStream deduplication uses it too). */
  messageId: 'Nats-Msg-Id',
  /** `apply` (default) or `delete`, on intents; `delete` marks the tombstone of a state message. */
  operation: 'Outboard-Operation',
  /** On intents and requests, and on the events that follow: whom the caller says it acts for. Nobody checks that. */
  requestedBy: 'Outboard-Requested-By',
  /** On events: the `Nats-Msg-Id` of the message that caused them. */
  cause: 'Outboard-Cause',
  /** On events: who did it, as far as the permissions of subjects prove it (`tenant/acme`, `dpu/dpu-7`). */
  actor: 'Outboard-Actor',
  /** On events: the revision of the commit that they belong to. */
  revision: 'Outboard-Revision',
  /** W3C trace context, passed through. */
  traceparent: 'traceparent',
  /** ADR-32: the numeric error status of a reply or a refused event. */
  serviceErrorCode: 'Nats-Service-Error-Code',
  /** ADR-32: the error in a line. */
  serviceError: 'Nats-Service-Error',
  /** On dead letters: why the message was parked. */
  deadReason: 'Outboard-Dead-Reason',
  /** On dead letters: how often it was delivered. */
  deadDeliveries: 'Outboard-Dead-Deliveries',
  /** On dead letters: the `Nats-Msg-Id` of the parked message (a dead letter has an id of its own). */
  deadMessageId: 'Outboard-Dead-Message-Id',
  /** On dead letters: the parked message's sequence in its stream. */
  deadSequence: 'Outboard-Dead-Sequence',
} as const;

/** Longest accepted `Nats-Msg-Id`, characters. */
export const MAX_MESSAGE_ID_LENGTH = 256;

/** Longest accepted `Outboard-Requested-By`, characters. */
export const MAX_REQUESTED_BY_LENGTH = 256;

const REQUESTED_BY = new RegExp(`^[ -~]{1,${MAX_REQUESTED_BY_LENGTH}}$`);

/** Whether a text may be the value of `Outboard-Requested-By`. */
export const isRequester = (text: string | undefined): text is string =>
  text !== undefined && REQUESTED_BY.test(text);

/** Largest public body, bytes. A client refuses a larger one before sending; a service refuses it unread. */
export const MAX_BODY_BYTES = 256 * 1024;

/** Largest page of a document, bytes. */
export const MAX_PAGE_BYTES = 256 * 1024;
