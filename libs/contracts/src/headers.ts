/** Message headers of the bus contract. Names are case-sensitive on NATS. */
export const HEADERS = {
  /** Identity of a message: the same id always gets the same answer (JetStream deduplication uses it too). */
  messageId: 'Nats-Msg-Id',
  /** `apply` (default) or `delete`, on intents; `delete` marks the tombstone of a state message. */
  operation: 'Outboard-Operation',
  /** On events: the `Nats-Msg-Id` of the message that caused them. */
  cause: 'Outboard-Cause',
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

/** Largest public body, bytes. A client refuses a larger one before sending; a service refuses it unread. */
export const MAX_BODY_BYTES = 256 * 1024;

/** Largest page of a document, bytes. */
export const MAX_PAGE_BYTES = 256 * 1024;
