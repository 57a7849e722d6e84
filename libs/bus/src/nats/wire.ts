import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import type { Message } from '../port.js';

/** Headers as they go out; undefined when there are none, which saves both sides the parsing. */
export function encodeHeaders(headers: Message['headers'], messageId?: string): MsgHdrs | undefined {
  let lines = '';
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || (name === MESSAGE_ID && messageId !== undefined)) continue;
    lines += lineOf(name, value);
  }
  if (messageId !== undefined) lines += lineOf(MESSAGE_ID, messageId);
  return lines === '' ? undefined : (new HeaderBlock(lines) as unknown as MsgHdrs);
}

/** Headers that were received are sent on in dead letters: a line break in one would begin another. */
const lineOf = (name: string, value: string): string =>
  `${name}: ${LINE_BREAK.test(value) ? value.replaceAll(/[\r\n]+/g, ' ') : value}\r\n`;

const LINE_BREAK = /[\r\n]/;

/**
 * All that the client's `publish` asks of headers (its type asks for more). Its own class looks each name up among all
 * others and keeps lists of values, which costs more than the rest of a publish.
 */
class HeaderBlock {
  constructor(private readonly lines: string) {}

  /** https://docs.nats.io/reference/reference-protocols/nats-protocol#hpub */
  encode(): Uint8Array {
    return Buffer.from(`NATS/1.0\r\n${this.lines}\r\n`);
  }
}

const MESSAGE_ID = 'Nats-Msg-Id';

/** A message as it came in. A header that was given several times has its first value. */
export function decodeMessage(received: Msg): Message {
  const headers: Record<string, string> = {};
  if (received.headers) for (const [name, values] of received.headers) headers[name] = values[0] ?? '';
  // A copy: the client's bytes are a window on a whole chunk of the socket, which a kept message would keep alive.
  return { headers, body: received.data.slice() };
}

/** What the reply subject of a JetStream delivery tells: `$JS.ACK.<stream>.<consumer>.<counts...>`. */
export interface DeliveryInfo {
  readonly deliveries: number;
  readonly streamSequence: number;
  readonly consumerSequence: number;
  /** Nanoseconds since the epoch, as text: too large for a number. */
  readonly time: string;
  /** Messages that the consumer has yet to deliver. */
  readonly pending: number;
}

/** The counts of a delivery; undefined when the reply subject is none of JetStream's. */
export function deliveryInfo(reply: string | undefined): DeliveryInfo | undefined {
  const tokens = reply?.split('.') ?? [];
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined;
  // Servers of a domain add two tokens in front, and newer ones a random one at the end.
  const at = tokens.length === 9 ? 4 : 6;
  const [deliveries, streamSequence, consumerSequence, time, pending] = tokens.slice(at, at + 5);
  if (time === undefined || pending === undefined) return undefined;
  return {
    deliveries: Number(deliveries),
    streamSequence: Number(streamSequence),
    consumerSequence: Number(consumerSequence),
    time,
    pending: Number(pending),
  };
}

/** What ends or continues a delivery, as JetStream understands it. */
export const ACKNOWLEDGEMENT = {
  done: '+ACK',
  /** Redelivers at once, or with `{"delay": nanoseconds}` after it later. */
  again: '-NAK',
  working: '+WPI',
  /** Never again. The form with a reason is silently ignored by nats-server 2.9: the message would come back. */
  never: '+TERM',
} as const;

export const nanoseconds = (milliseconds: number): number => Math.round(milliseconds * 1_000_000);
export const milliseconds = (nanos: number): number => nanos / 1_000_000;
