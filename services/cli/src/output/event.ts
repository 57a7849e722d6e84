import type { Received, Watched } from '@outboard/bus';
import { decodeError, HEADERS, parseResourceSubject } from '@outboard/contracts';
import { formatRow } from './table.js';
import { ABSENT, conditionOf, fullName, textOf, valueAt } from './values.js';

/** An event of the log, as it is shown. */
export interface EventRecord {
  readonly sequence: number;
  /** RFC 3339 with milliseconds, UTC; undefined: the event does not tell. */
  readonly time: string | undefined;
  readonly transition: string;
  readonly tenant: string;
  /** As on subjects: lower case. */
  readonly kind: string;
  readonly name: string;
  /** Message id of what caused it. */
  readonly cause: string | undefined;
  /** Whose doing it is, as permissions prove it. */
  readonly actor: string | undefined;
  /** Whom the caller said it acts for: not checked. */
  readonly requestedBy: string | undefined;
  /** Of the commit that it belongs to. */
  readonly revision: number | undefined;
  /** The resource without its spec; of a refusal the error. */
  readonly body: unknown;
  /** What it says, in a line. */
  readonly message: string;
}

/** Undefined: no event of ours. */
export function readEvent(received: Watched): EventRecord | undefined {
  const { subject, headers, body: bytes, streamSequence: sequence } = received;
  const address = parseResourceSubject(subject);
  if (!address) return undefined;
  const { tenant, kind, name } = address;
  const transition = subject.slice(subject.lastIndexOf('.') + 1);
  const time = headers['ce-time'];
  const { [HEADERS.cause]: cause, [HEADERS.actor]: actor, [HEADERS.requestedBy]: requestedBy } = headers;
  const body = parseBody(bytes);
  const message = transition === 'refused' ? refusal(received) : messageOf(transition, body, actor);
  const revision = headers[HEADERS.revision];
  return {
    sequence,
    time,
    transition,
    tenant,
    kind,
    name,
    cause,
    actor,
    requestedBy,
    revision: revision === undefined ? undefined : Number(revision),
    body,
    message,
  };
}

const WIDTHS = [24, 8, 8, 9, 30, 14, 20];

/** One line; the columns keep their places where their contents fit. */
export const formatEvent = ({
  time,
  sequence,
  revision,
  transition,
  tenant,
  kind,
  name,
  actor,
  message,
}: EventRecord): string =>
  formatRow(
    [
      time ?? ABSENT,
      String(sequence),
      String(revision ?? ABSENT),
      transition,
      fullName({ tenant, kind, name }),
      actor ?? ABSENT,
      message,
    ],
    WIDTHS,
  );

export const eventHeader = (): string =>
  formatRow(['TIME', 'SEQUENCE', 'REVISION', 'EVENT', 'RESOURCE', 'ACTOR', 'MESSAGE'], WIDTHS);

function messageOf(transition: string, body: unknown, actor: string | undefined): string {
  const ready = conditionOf(body, 'Ready');
  // Whoever has something deleted knows why; what ends by itself says so in what was last told of it.
  if (transition === 'deleted' && (actor !== 'system' || ready?.status === 'True')) return '';
  if (transition === 'accepted') return `generation ${textOf(valueAt(body, 'metadata.generation'))}`;
  return [ready?.reason, ready?.message].filter((text) => text !== undefined && text !== '').join(': ');
}

function refusal({ headers, body }: Received): string {
  const { code, message, violations, violationTotal } = decodeError(headers, body);
  const [first] = violations;
  if (!first) return `${code}: ${message}`;
  const rest = violationTotal > 1 ? ` (and ${violationTotal - 1} more)` : '';
  return `${code}: ${first.field === '' ? '' : `${first.field}: `}${first.description}${rest}`;
}

function parseBody(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return undefined;
  }
}
