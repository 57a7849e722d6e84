import { type Brand, err, ok, type Result } from '@outboard/core';
import ipaddr from 'ipaddr.js';

/** 4 or 6, as in "IPv4". */
export type IpFamily = 4 | 6;

/** An IPv4 address, or an IPv6 address in the form of RFC 5952. Equal addresses are equal strings. */
export type IpAddress = Brand<string, 'IpAddress'>;

/** An address without host bits, `/` and the prefix length (`10.0.1.0/24`). Equal prefixes are equal strings. */
export type IpPrefix = Brand<string, 'IpPrefix'>;

/** Inclusive, as numbers: for arithmetic on many addresses of one family. */
export interface IpRange {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
}

const ADDRESS_RULE = 'must be an IPv4 or IPv6 address';
const PREFIX_RULE = 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24';

const OCTET = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
/** Four decimal octets without leading zeros, which other programs read as octal. */
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
const IPV6_CHARACTERS = /^[0-9a-fA-F:]{2,39}$/;

/** Length of an address in bits. */
export const addressBits = (family: IpFamily): 32 | 128 => (family === 4 ? 32 : 128);

export const ipFamily = (value: IpAddress | IpPrefix): IpFamily => (value.includes(':') ? 6 : 4);

/**
 * An address in canonical form. IPv6 zones (`%eth0`) and dotted IPv4 inside IPv6 are refused: the former mean something
 * on one machine only, the latter have two spellings.
 */
export function parseIpAddress(text: string): Result<IpAddress, string> {
  if (IPV4.test(text)) return ok(text as IpAddress);
  if (!IPV6_CHARACTERS.test(text) || !ipaddr.IPv6.isValid(text)) return err(ADDRESS_RULE);
  return ok(ipaddr.IPv6.parse(text).toRFC5952String() as IpAddress);
}

/** A prefix in canonical form; one with host bits is refused, naming the prefix that was probably meant. */
export function parseIpPrefix(text: string): Result<IpPrefix, string> {
  const slash = text.indexOf('/');
  const address = parseIpAddress(text.slice(0, Math.max(slash, 0)));
  const digits = text.slice(slash + 1);
  if (!address.ok || !/^(?:0|[1-9][0-9]{0,2})$/.test(digits)) return err(PREFIX_RULE);
  const length = Number(digits);
  const bits = addressBits(ipFamily(address.value));
  if (length > bits) return err(`must have a prefix length of at most ${bits}`);
  const prefix = prefixOf(address.value, length);
  if (prefix !== `${address.value}/${length}`) return err(`must have no host bits; did you mean ${prefix}?`);
  return ok(prefix);
}

/** An address or a prefix; an address is the prefix that holds it only. */
export function parseAddressOrPrefix(text: string): Result<IpPrefix, string> {
  if (text.includes('/')) return parseIpPrefix(text);
  const address = parseIpAddress(text);
  return address.ok ? ok(hostPrefix(address.value)) : err(`${address.error} or a prefix`);
}

/** A prefix as people write it: one that holds a single address as the address. */
export function addressOrPrefix(prefix: IpPrefix): string {
  const address = prefixAddress(prefix);
  return hostPrefix(address) === prefix ? address : prefix;
}

/** The address as an unsigned number of 32 or 128 bits. */
export function ipToNumber(address: IpAddress): bigint {
  if (ipFamily(address) === 4) {
    let value = 0;
    for (const octet of address.split('.')) value = value * 256 + Number(octet);
    return BigInt(value);
  }
  let value = 0n;
  for (const part of ipaddr.IPv6.parse(address).parts) value = (value << 16n) | BigInt(part);
  return value;
}

/** The address of a number from 0 to 2^32-1 or 2^128-1. */
export function ipFromNumber(family: IpFamily, value: bigint): IpAddress {
  if (value < 0n || value >> BigInt(addressBits(family)) !== 0n) {
    throw new RangeError(`${value} is no IPv${family} address`);
  }
  if (family === 4) {
    const number = Number(value);
    return [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.') as IpAddress;
  }
  const parts = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  return new ipaddr.IPv6(parts).toRFC5952String() as IpAddress;
}

/** The prefix of that length that the address is in. */
export function prefixOf(address: IpAddress, length: number): IpPrefix {
  const family = ipFamily(address);
  const hostBits = BigInt(addressBits(family) - length);
  const first = (ipToNumber(address) >> hostBits) << hostBits;
  return `${ipFromNumber(family, first)}/${length}` as IpPrefix;
}

/** The prefix that holds this address only. */
export const hostPrefix = (address: IpAddress): IpPrefix =>
  `${address}/${addressBits(ipFamily(address))}` as IpPrefix;

export const prefixLength = (prefix: IpPrefix): number => Number(prefix.slice(prefix.indexOf('/') + 1));

/** The first address of a prefix, which names it. */
export const prefixAddress = (prefix: IpPrefix): IpAddress =>
  prefix.slice(0, prefix.indexOf('/')) as IpAddress;

/** All addresses of a prefix. */
export function prefixRange(prefix: IpPrefix): IpRange {
  const family = ipFamily(prefix);
  const first = ipToNumber(prefixAddress(prefix));
  const size = 1n << BigInt(addressBits(family) - prefixLength(prefix));
  return { family, first, last: first + size - 1n };
}

/**
 * The addresses of a prefix that a host may have: not the first (the network itself; in IPv6 the subnet-router anycast
 * address, RFC 4291 section 2.6.1) and in IPv4 not the last (broadcast). Point-to-point prefixes (RFC 3021, RFC 6164)
 * and single addresses have no such exceptions.
 */
export function hostRange(prefix: IpPrefix): IpRange {
  const { family, first, last } = prefixRange(prefix);
  if (last - first <= 1n) return { family, first, last };
  return { family, first: first + 1n, last: family === 4 ? last - 1n : last };
}

export const rangeContains = (range: IpRange, address: IpAddress): boolean => {
  if (ipFamily(address) !== range.family) return false;
  const value = ipToNumber(address);
  return range.first <= value && value <= range.last;
};

export const rangesOverlap = (left: IpRange, right: IpRange): boolean =>
  left.family === right.family && left.first <= right.last && right.first <= left.last;

export const prefixContains = (prefix: IpPrefix, address: IpAddress): boolean =>
  rangeContains(prefixRange(prefix), address);

/** Whether a prefix has all addresses of another one. */
export const prefixCovers = (outer: IpPrefix, inner: IpPrefix): boolean =>
  prefixLength(outer) <= prefixLength(inner) && prefixContains(outer, prefixAddress(inner));

export const prefixesOverlap = (left: IpPrefix, right: IpPrefix): boolean =>
  rangesOverlap(prefixRange(left), prefixRange(right));
