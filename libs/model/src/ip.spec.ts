import { isIP } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import fc from 'fast-check';
import {
  addressBits,
  hostPrefix,
  hostRange,
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  ipFamily,
  ipFromNumber,
  ipToNumber,
  parseIpAddress,
  parseIpPrefix,
  prefixContains,
  prefixesOverlap,
  prefixLength,
  prefixOf,
  prefixRange,
} from './ip.js';

const family = fc.constantFrom<IpFamily>(4, 6);
/** Numbers with long runs of zeros and ones: where canonical IPv6 text is interesting. */
const number128 = fc
  .array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat({ max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  })
  .map((parts) => parts.reduce((value, part) => (value << 16n) | BigInt(part), 0n));
const address = fc
  .tuple(family, number128)
  .map(([version, value]) => ipFromNumber(version, value & ((1n << BigInt(addressBits(version))) - 1n)));
const prefix = fc
  .tuple(address, fc.nat({ max: 128 }))
  .map(([ip, length]) => prefixOf(ip, Math.min(length, addressBits(ipFamily(ip)))));

const ip = (text: string): IpAddress => unwrap(parseIpAddress(text));
const cidr = (text: string): IpPrefix => unwrap(parseIpPrefix(text));

describe('an IP address', () => {
  it.each([
    ['10.0.1.5', '10.0.1.5'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['0:0:0:0:0:ffff:a00:1', '::ffff:a00:1'],
  ])('%s is written %s', (text, canonical) => {
    expect(parseIpAddress(text)).toEqual({ ok: true, value: canonical });
  });

  it.each([
    '',
    '10.0.1',
    '10.0.1.5 ',
    '10.0.1.05',
    '0x0a.0.0.1',
    '10.0.1.256',
    '167772421',
    '10.0.1.5/24',
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    '1::2::3',
    '12345::',
    ':::',
    'blue',
  ])('%j is refused', (text) => {
    expect(parseIpAddress(text)).toEqual({ ok: false, error: 'must be an IPv4 or IPv6 address' });
  });

  it('comes back from its number, and from its text, as it was', () => {
    fc.assert(
      fc.property(address, (value) => {
        expect(parseIpAddress(value)).toEqual({ ok: true, value });
        expect(ipFromNumber(ipFamily(value), ipToNumber(value))).toBe(value);
      }),
    );
  });

  it('is written as the WHATWG URL standard, too, writes IPv6', () => {
    fc.assert(
      fc.property(address, (value) => {
        fc.pre(ipFamily(value) === 6);
        expect(new URL(`http://[${value}]/`).hostname).toBe(`[${value}]`);
      }),
    );
  });

  it('is never made of what node:net refuses, and no text makes the parser throw', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV4Extended(),
      fc.ipV6(),
      fc.string(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdef:./%') }),
    );
    fc.assert(
      fc.property(text, (candidate) => {
        const result = parseIpAddress(candidate);
        if (result.ok) expect(isIP(candidate)).toBe(ipFamily(result.value));
        parseIpPrefix(candidate);
      }),
      { numRuns: 1000 },
    );
  });

  it('cannot be made of a number outside its family', () => {
    expect(() => ipFromNumber(4, 1n << 32n)).toThrow(RangeError);
    expect(() => ipFromNumber(6, 1n << 128n)).toThrow(RangeError);
    expect(() => ipFromNumber(4, -1n)).toThrow(RangeError);
  });
});

describe('an IP prefix', () => {
  it.each([
    ['10.0.1.5/24', 'must have no host bits; did you mean 10.0.1.0/24?'],
    ['2001:db8::1/64', 'must have no host bits; did you mean 2001:db8::/64?'],
    ['10.0.1.0/33', 'must have a prefix length of at most 32'],
    ['10.0.1.0/024', 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24'],
    ['10.0.1.0/', 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24'],
    ['10.0.1.0', 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24'],
    ['/24', 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24'],
    ['10.0.1.0/255.255.255.0', 'must be an IPv4 or IPv6 prefix such as 10.0.1.0/24'],
  ])('%s is refused: %s', (text, rule) => {
    expect(parseIpPrefix(text)).toEqual({ ok: false, error: rule });
  });

  it('comes back from its text as it was', () => {
    fc.assert(fc.property(prefix, (value) => expect(parseIpPrefix(value)).toEqual({ ok: true, value })));
  });

  it('holds exactly the addresses that it is the prefix of', () => {
    fc.assert(
      fc.property(prefix, address, (value, other) => {
        const { family: version, first, last } = prefixRange(value);
        expect(prefixContains(value, ipFromNumber(version, first))).toBe(true);
        expect(prefixContains(value, ipFromNumber(version, last))).toBe(true);
        const inside = ipFamily(other) === version && prefixOf(other, prefixLength(value)) === value;
        expect(prefixContains(value, other)).toBe(inside);
      }),
    );
  });

  it('overlaps another exactly when one holds the other', () => {
    const related = fc.tuple(prefix, fc.nat({ max: 128 })).map(([value, length]): [IpPrefix, IpPrefix] => {
      const { family: version, first } = prefixRange(value);
      return [value, prefixOf(ipFromNumber(version, first), Math.min(length, addressBits(version)))];
    });
    fc.assert(
      fc.property(fc.oneof(related, fc.tuple(prefix, prefix)), ([left, right]) => {
        const address = (value: IpPrefix): IpAddress => value.slice(0, value.indexOf('/')) as IpAddress;
        const nested = prefixContains(left, address(right)) || prefixContains(right, address(left));
        expect(prefixesOverlap(left, right)).toBe(nested);
        expect(prefixesOverlap(right, left)).toBe(nested);
      }),
    );
  });

  it.each([
    ['10.0.1.0/24', '10.0.1.1', '10.0.1.254'],
    ['10.0.1.0/31', '10.0.1.0', '10.0.1.1'],
    ['10.0.1.7/32', '10.0.1.7', '10.0.1.7'],
    ['2001:db8::/64', '2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff'],
    ['2001:db8::/127', '2001:db8::', '2001:db8::1'],
  ])('%s has hosts from %s to %s', (text, first, last) => {
    const range = hostRange(cidr(text));
    expect(ipFromNumber(range.family, range.first)).toBe(first);
    expect(ipFromNumber(range.family, range.last)).toBe(last);
  });

  it('of one address has its full length', () => {
    expect(hostPrefix(ip('10.0.0.1'))).toBe('10.0.0.1/32');
    expect(hostPrefix(ip('2001:db8::1'))).toBe('2001:db8::1/128');
  });
});
