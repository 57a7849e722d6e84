import { DecodeError, EncodeError } from './errors.js';

/** An IP address: text, an IPv4 number (`0x0a000001` is 10.0.0.1), or 4 or 16 bytes in network order. */
export type IpInput = string | number | Uint8Array;
/** A link-layer address: `02:00:5e:00:10:05`, a 48-bit number, or bytes. */
export type LinkAddressInput = string | number | Uint8Array;

const ZERO = 0x30;
const DOT = 0x2e;
const COLON = 0x3a;
const MAX_LINK_ADDRESS_LENGTH = 32;

/** IPv4 text, up to `end`, as an unsigned number, or -1. Only the four-part decimal form without leading zeros (RFC 6943 3.1.1). */
export function parseIpv4(text: string, end = text.length): number {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let index = 0; index <= end; index++) {
    const character = index === end ? DOT : text.charCodeAt(index);
    if (character === DOT) {
      if (part < 0 || ++parts > 4) return -1;
      value = value * 256 + part;
      part = -1;
    } else {
      if (character < 0x30 || character > 0x39 || part === 0) return -1;
      part = (part < 0 ? 0 : part * 10) + character - 0x30;
      if (part > 255) return -1;
    }
  }
  return parts === 4 ? value : -1;
}

export interface Ipv4Prefix {
  /** As an unsigned number. */
  readonly address: number;
  readonly length: number;
}

/** An IPv4 address with the length of its prefix, `10.0.0.0/8`; undefined for any other text. */
export function parseIpv4Prefix(text: string): Ipv4Prefix | undefined {
  const slash = text.indexOf('/');
  const digits = text.length - slash - 1;
  const high = digits === 2 ? text.charCodeAt(slash + 1) - ZERO : 0;
  const low = text.charCodeAt(text.length - 1) - ZERO;
  const isLength = digits === 1 || (digits === 2 && high >= 1 && high <= 3);
  if (slash < 0 || !isLength || !(low >= 0 && low <= 9) || 10 * high + low > 32) return undefined;
  const address = parseIpv4(text, slash);
  return address < 0 ? undefined : { address, length: 10 * high + low };
}

/** IPv6 text as 16 bytes, or undefined. RFC 4291 section 2.2, without zone. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2 || text.length > 45) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  [...head, ...new Array<number>(missing).fill(0), ...tail].forEach((group, index) => {
    bytes[2 * index] = group >> 8;
    bytes[2 * index + 1] = group & 255;
  });
  return bytes;
}

function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const values: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    if (last && index === parts.length - 1 && part.includes('.')) {
      const embedded = parseIpv4(part);
      if (embedded < 0) return undefined;
      values.push(Math.floor(embedded / 65536), embedded % 65536);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) values.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return values;
}

/** 4 or 16 bytes at `offset` as text (RFC 5952 form for IPv6). */
export function formatIp(bytes: Uint8Array, offset: number, length: number): string {
  if (length === 4) {
    return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`;
  }
  if (length !== 16) throw new DecodeError(`an IP address has 4 or 16 bytes, not ${length}`);
  const values: number[] = [];
  for (let index = offset; index < offset + 16; index += 2) {
    values.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  }
  // The longest run of two or more zero groups, the first of equal ones, becomes `::`.
  let start = -1;
  let count = 1;
  for (let index = 0; index < 8; index++) {
    let run = 0;
    while (index + run < 8 && values[index + run] === 0) run++;
    if (run > count) [start, count] = [index, run];
    index += run;
  }
  const text = (from: number, to: number): string =>
    values
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  const mapped = start === 0 && count === 5 && values[5] === 0xffff;
  if (mapped) return `::ffff:${formatIp(bytes, offset + 12, 4)}`;
  return start < 0 ? text(0, 8) : `${text(0, start)}::${text(start + count, 8)}`;
}

/** The bytes of an address that is text; numbers and bytes take the writers' fast paths instead. */
export function ipBytes(text: string): Uint8Array {
  const number = parseIpv4(text);
  if (number >= 0) {
    return Uint8Array.of(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255);
  }
  const bytes = text.includes(':') ? parseIpv6(text) : undefined;
  if (bytes === undefined)
    throw new EncodeError(`must be an IPv4 or IPv6 address, is ${JSON.stringify(text)}`);
  return bytes;
}

/** A link-layer address as text: two hexadecimal digits per byte with colons. */
export function formatLinkAddress(bytes: Uint8Array, offset: number, length: number): string {
  const last = offset + length - 1;
  let text = '';
  for (let index = offset; index < last; index++) text += HEX_COLON[bytes[index] ?? 0];
  return length > 0 ? text + HEX[bytes[last] ?? 0] : text;
}

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
/** Each addition makes a text: with the colons in them it is half as many. */
const HEX_COLON = HEX.map((digits) => `${digits}:`);

/** Writes a textual link-layer address at `offset`; the caller made room for `(text.length + 1) / 3` bytes. */
export function parseLinkAddress(text: string, bytes: Uint8Array, offset: number): void {
  for (let index = 0; index < text.length; index += 3) {
    const value = digit(text.charCodeAt(index)) * 16 + digit(text.charCodeAt(index + 1));
    if (!(value >= 0) || (index + 2 < text.length && text.charCodeAt(index + 2) !== COLON)) {
      throw new EncodeError(`must be a link-layer address, is ${JSON.stringify(text)}`);
    }
    bytes[offset++] = value;
  }
}

/** How many bytes a textual link-layer address has. */
export function linkAddressLength(text: string): number {
  const length = (text.length + 1) / 3;
  if (Number.isInteger(length) && length >= 1 && length <= MAX_LINK_ADDRESS_LENGTH) return length;
  throw new EncodeError(`must be a link-layer address, is ${JSON.stringify(text)}`);
}

function digit(character: number): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  const letter = character | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : Number.NaN;
}
