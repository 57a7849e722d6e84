import { parkedMessage, type Watched } from '@outboard/bus';
import { HEADERS } from '@outboard/contracts';
import { printable } from '../failure.js';
import { formatTable } from './table.js';
import { ABSENT, formatAge } from './values.js';

/** A dead letter in a list. */
export interface LetterSummary {
  /** In the stream of dead letters. */
  readonly sequence: number;
  /** RFC 3339 with milliseconds, UTC. */
  readonly parkedAt: string;
  /** Of the message, as all that follows. */
  readonly subject: string;
  readonly messageId?: string;
  readonly deliveries: number;
  readonly reason: string;
  /** Of the body. */
  readonly bytes: number;
}

/** A dead letter with what it keeps. */
export interface Letter extends LetterSummary {
  /** Where the message stood in its stream when it was parked first. */
  readonly place: number;
  /** As they were sent. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where it is UTF-8; `bodyBase64` has the bytes of any other. */
  readonly body?: string;
  readonly bodyBase64?: string;
}

export function summaryOf({ streamSequence, storedAt, ...received }: Watched): LetterSummary {
  const { subject = received.subject, messageId } = parkedMessage(received) ?? {};
  return {
    sequence: streamSequence,
    parkedAt: new Date(storedAt).toISOString(),
    subject,
    ...(messageId !== undefined && { messageId }),
    deliveries: Number(received.headers[HEADERS.deadDeliveries] ?? 0),
    reason: received.headers[HEADERS.deadReason] ?? '',
    bytes: received.body.length,
  };
}

export function letterOf(received: Watched): Letter {
  const { message = received } = parkedMessage(received) ?? {};
  const { [HEADERS.deadSequence]: place = 0, ...headers } = message.headers;
  return { ...summaryOf(received), place: Number(place), headers, ...bodyOf(message.body) };
}

function bodyOf(bytes: Uint8Array): Pick<Letter, 'body' | 'bodyBase64'> {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { bodyBase64: Buffer.from(bytes).toString('base64') };
  }
}

/** Dead letters in lines for people. */
export const formatLetters = (letters: readonly LetterSummary[], now: number): readonly string[] =>
  formatTable([
    ['SEQUENCE', 'PARKED', 'DELIVERIES', 'SUBJECT', 'REASON'],
    ...letters.map(({ sequence, parkedAt, deliveries, subject, reason }) => [
      String(sequence),
      `${formatAge(now - Date.parse(parkedAt))} ago`,
      String(deliveries),
      subject,
      reason,
    ]),
  ]);

/** All of a dead letter in lines for people. */
export function formatLetter(letter: Letter, now: number): readonly string[] {
  const { sequence, parkedAt, subject, messageId, place, deliveries, reason, headers, bytes } = letter;
  return [
    ...formatTable([
      ['Sequence:', String(sequence)],
      ['Parked:', `${parkedAt} (${formatAge(now - Date.parse(parkedAt))} ago)`],
      ['Subject:', subject],
      ['Message id:', messageId ?? ABSENT],
      ['Place:', String(place)],
      ['Deliveries:', String(deliveries)],
      ['Reason:', reason],
    ]),
    'Headers:',
    ...indented(Object.entries(headers).map(([name, value]) => `${name}: ${value}`)),
    `Body (${bytes} bytes):`,
    ...indented(bodyLines(letter)),
  ];
}

function bodyLines({ body, bodyBase64 = '' }: Letter): readonly string[] {
  if (body === undefined) return [`base64 ${bodyBase64}`];
  try {
    return JSON.stringify(JSON.parse(body), null, 2).split('\n');
  } catch {
    return body.split('\n');
  }
}

const indented = (lines: readonly string[]): readonly string[] =>
  (lines.length === 0 ? ['none'] : lines).map((line) => `  ${printable(line)}`);
