import { formatIp, ipBytes, parseIpv4 } from '@outboard/netlink';

/** An address in canonical text (RFC 5952), or undefined. Equal addresses are equal strings, as the kernel's are. */
export function canonicalAddress(text: string): string | undefined {
  if (parseIpv4(text) >= 0) return text;
  if (!text.includes(':')) return undefined;
  try {
    return formatIp(ipBytes(text), 0, 16);
  } catch {
    return undefined;
  }
}

export type IpFamily = 4 | 6;

export interface Prefix {
  /** First address, canonical. */
  readonly address: string;
  readonly length: number;
  /** 32 or 128. */
  readonly bits: 32 | 128;
}

/** A prefix (or an address, which is one of full length) without host bits; undefined if it is neither. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  const given = slash < 0 ? text : text.slice(0, slash);
  const value = parseIpv4(given);
  const address = value >= 0 ? given : canonicalAddress(given);
  if (address === undefined) return undefined;
  const bits = value >= 0 ? 32 : 128;
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = Number(digits);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || length > bits) return undefined;
  // Most are given without host bits, and large tables are IPv4: those are taken as they are.
  const hasHostBits = value < 0 ? length < bits : value % 2 ** (bits - length) !== 0;
  return { address: hasHostBits ? firstAddress(address, length) : address, length, bits };
}

/** The address of an interface with its prefix length, canonical; undefined if it is none. */
export function interfaceAddress(text: string): string | undefined {
  const slash = text.indexOf('/');
  const address = canonicalAddress(text.slice(0, Math.max(slash, 0)));
  const prefix = parsePrefix(text);
  return address === undefined || prefix === undefined ? undefined : `${address}/${prefix.length}`;
}

export const formatPrefix = ({ address, length }: Prefix): string => `${address}/${length}`;

/** First and last address of a prefix, as bytes. */
export function prefixBounds({ address, length }: Prefix): { first: Uint8Array; last: Uint8Array } {
  const first = ipBytes(address);
  const last = first.map((byte, index) => byte | (0xff >> Math.min(8, Math.max(0, length - 8 * index))));
  return { first, last };
}

/** True if everything in `inner` is in `outer`. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.bits === inner.bits &&
    outer.length <= inner.length &&
    firstAddress(inner.address, outer.length) === outer.address
  );
}

function firstAddress(address: string, length: number): string {
  const bytes = ipBytes(address).map(
    (byte, index) => byte & ~(0xff >> Math.min(8, Math.max(0, length - 8 * index))),
  );
  return formatIp(bytes, 0, bytes.length);
}
