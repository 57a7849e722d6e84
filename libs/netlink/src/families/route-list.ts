import type { Source, Writer } from '../codec/bytes.js';
import type { Message, Request } from '../codec/family.js';
import { type Route, type RouteInput, route } from './route.js';

/** nlattr type of the destination. */
const RTA_DST = 1;
const ATTRIBUTE_HEADER = 4;
/** struct rtmsg; the length of the destination's prefix is its second byte. */
const RTMSG = 12;
const PREFIX_LENGTH = 1;
/** That byte in the first word of a message, which is little-endian. */
const PREFIX_LENGTH_BITS = 0xff00;
const IPV4_BYTES = 4;

/** A route as it is read from a list: only valid until the next one is read. */
export interface ListedRoute {
  /** Of its IPv4 destination, as an unsigned number; -1 if it has another one: then that of `route` is its own. */
  readonly address: number;
  readonly prefixLength: number;
  /** All else about it. Neighbours in a table that differ in nothing but the destination have the very same. */
  readonly route: Route;
}

/** Bytes of a message, and where in them the address of its destination stands. */
interface Known {
  readonly words: Uint32Array;
  readonly addressAt: number;
  readonly route: Route;
}

/**
 * All routes that match, like `route.dump`, for large tables: what differs from the message before in nothing but an IPv4
 * destination is not decoded again. The value is the same object each time, so that `dump` has to be given a `keep`.
 */
export function listRoutes(filter: RouteInput): Request<ListedRoute> {
  const listed = { address: -1, prefixLength: 0, route: undefined as unknown as Route };
  let last: Known | undefined;
  const read = (source: Source, offset: number, end: number): ListedRoute => {
    if (last === undefined || !isAlike(last, source.view, offset, end)) {
      listed.route = route.read(source, offset, end);
      last = knownOf(listed.route, source.view, offset, end);
    }
    listed.address = last === undefined ? -1 : source.view.getUint32(offset + last.addressAt, false);
    listed.prefixLength = source.view.getUint8(offset + PREFIX_LENGTH);
    return listed;
  };
  return { ...route.dump(filter), family: { ...route, read } };
}

/** Undefined for a message without an IPv4 destination. */
function knownOf(value: Route, view: DataView, offset: number, end: number): Known | undefined {
  const addressAt = addressIn(view, offset, end);
  if (addressAt < 0) return undefined;
  const words = new Uint32Array((end - offset) >> 2);
  for (let index = 0; index < words.length; index++) words[index] = view.getUint32(offset + 4 * index, true);
  return { words, addressAt, route: value };
}

/** Relative to the start of the message, of which the lengths were checked; -1: there is none. */
function addressIn(view: DataView, offset: number, end: number): number {
  for (let at = offset + RTMSG; at + ATTRIBUTE_HEADER <= end; ) {
    const length = view.getUint16(at, true);
    if (view.getUint16(at + 2, true) === RTA_DST)
      return length === ATTRIBUTE_HEADER + IPV4_BYTES ? at + ATTRIBUTE_HEADER - offset : -1;
    at += (length + 3) & ~3;
  }
  return -1;
}

function isAlike({ words, addressAt }: Known, view: DataView, offset: number, end: number): boolean {
  if (end - offset !== 4 * words.length) return false;
  const address = addressAt >> 2;
  for (let index = words.length - 1; index > 0; index--)
    if (index !== address && view.getUint32(offset + 4 * index, true) !== words[index]) return false;
  return ((view.getUint32(offset, true) ^ (words[0] ?? 0)) & ~PREFIX_LENGTH_BITS) === 0;
}

/** Makes messages about routes that differ from each other in nothing but an IPv4 destination. */
export type RouteStamp = (address: number, prefixLength: number) => Message;

interface Stamped {
  readonly address: number;
  readonly prefixLength: number;
}

/**
 * Messages like this one, each with a destination of its own: all else is encoded once. `template` is made by an operation of
 * `route`, with the body's IPv4 destination, which stands for those to come.
 */
export function routeStamp({ type, flags, body }: Message): RouteStamp {
  let encoded: Uint8Array | undefined;
  let addressAt = -1;
  const write = (writer: Writer, stamped: object): void => {
    const start = writer.length;
    if (encoded === undefined) {
      route.write(writer, body);
      addressAt = addressIn(writer.view, start, writer.length);
      encoded = Uint8Array.from(writer.bytes.subarray(start, writer.length));
    } else {
      writer.space(encoded.length);
      writer.bytes.set(encoded, start);
    }
    const { address, prefixLength } = stamped as Stamped;
    writer.view.setUint8(start + PREFIX_LENGTH, prefixLength);
    writer.view.setUint32(start + addressAt, address, false);
  };
  const family = { ...route, write };
  return (address, prefixLength) => ({ family, type, flags, body: { address, prefixLength } });
}
