import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  formatIp,
  formatLinkAddress,
  ipBytes,
  parseIpv4,
  parseIpv4Prefix,
  parseIpv6,
  parseLinkAddress,
} from './address.js';

const text = (bytes: Uint8Array): string => formatIp(bytes, 0, bytes.length);

describe('IP addresses', () => {
  it('an IPv4 address with the length of its prefix is two numbers', () => {
    const prefix = fc.record({ address: fc.nat({ max: 0xffffffff }), length: fc.nat({ max: 32 }) });
    fc.assert(
      fc.property(prefix, (value) => {
        const bytes = [24, 16, 8, 0].map((shift) => (value.address >>> shift) & 255);
        expect(parseIpv4Prefix(`${bytes.join('.')}/${value.length}`)).toEqual(value);
      }),
    );
  });

  it.each([
    '',
    '/',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/100',
    '10.0.0/8',
    'fd00::/64',
    '10.0.0.0/8/8',
    '10.0.0.0/-1',
    '10.0.0.0/ 8',
  ])('%j is no IPv4 prefix', (text) => {
    expect(parseIpv4Prefix(text)).toBeUndefined();
  });

  it('every IPv4 and IPv6 address survives formatting and parsing', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      // Zero groups in all places, which is where the short forms differ.
      fc
        .array(fc.constantFrom(0, 0, 0, 1, 0xffff, 0xdb8), { minLength: 8, maxLength: 8 })
        .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]))),
    );
    fc.assert(fc.property(bytes, (value) => expect(ipBytes(text(value))).toEqual(value)));
  });

  it.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is written as RFC 5952 wants it: %s', (input, output) => {
    expect(text(ipBytes(input))).toBe(output);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1..2.3',
    '1.2.3.4 ',
    '0x1.2.3.4',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    '::g',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8::',
    '1.2.3.4::',
    '::1.2.3',
  ])('%j is no address', (input) => {
    expect(parseIpv4(input)).toBe(-1);
    expect(parseIpv6(input)).toBeUndefined();
    expect(() => ipBytes(input)).toThrow('must be an IPv4 or IPv6 address');
  });
});

describe('link-layer addresses', () => {
  it('survive formatting and parsing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 32 }), (value) => {
        const parsed = new Uint8Array(value.length);
        parseLinkAddress(formatLinkAddress(value, 0, value.length), parsed, 0);
        expect(parsed).toEqual(value);
      }),
    );
  });
});
