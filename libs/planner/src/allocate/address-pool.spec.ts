import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { type IpAddress, type IpRange, ipFamily, ipToNumber, parseIpAddress } from '@outboard/model';
import fc from 'fast-check';
import { AddressPool } from './address-pool.js';

const ip = (text: string): IpAddress => unwrap(parseIpAddress(text));
const range = (first: string, last: string): IpRange => ({
  family: ipFamily(ip(first)),
  first: ipToNumber(ip(first)),
  last: ipToNumber(ip(last)),
});

/** Takes the lowest address until there is none, at most so many. */
function drain(pool: AddressPool, most: number): string[] {
  const addresses: string[] = [];
  for (let address = pool.lowest(); address && addresses.length < most; address = pool.lowest()) {
    pool.take(address);
    addresses.push(address);
  }
  return addresses;
}

describe('the addresses of a subnet', () => {
  it.each([
    ['one range', [range('10.0.0.1', '10.0.0.3')], undefined, ['10.0.0.1', '10.0.0.2', '10.0.0.3']],
    ['the gateway left out', [range('10.0.0.1', '10.0.0.3')], ip('10.0.0.1'), ['10.0.0.2', '10.0.0.3']],
    ['a gateway outside', [range('10.0.0.2', '10.0.0.2')], ip('10.0.0.1'), ['10.0.0.2']],
    [
      'ranges in order of their addresses, each address once',
      [range('10.0.0.9', '10.0.0.10'), range('10.0.0.3', '10.0.0.4'), range('10.0.0.4', '10.0.0.5')],
      undefined,
      ['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.9', '10.0.0.10'],
    ],
    ['across an octet', [range('10.0.0.255', '10.0.1.0')], undefined, ['10.0.0.255', '10.0.1.0']],
    ['IPv6', [range('2001:db8::1', '2001:db8::2')], undefined, ['2001:db8::1', '2001:db8::2']],
  ])('are allocated lowest first: %s', (_, ranges, gateway, expected) => {
    expect(drain(new AddressPool(ranges, gateway), 100)).toEqual(expected);
  });

  it('go on behind a range of an IPv6 /64, which is more than numbers count', () => {
    const pool = new AddressPool([range('2001:db8::1', '2001:db8::ffff:ffff:ffff:ffff')], ip('2001:db8::1'));
    pool.take(ip('2001:db8::3'));
    pool.take(ip('2001:db8::ffff:ffff:ffff:fffe'));
    expect(drain(pool, 2)).toEqual(['2001:db8::2', '2001:db8::4']);
    pool.release(ip('2001:db8::ffff:ffff:ffff:fffe'));
    pool.release(ip('2001:db8::2'));
    expect(pool.lowest()).toBe('2001:db8::2');
  });

  it('never hand out what is taken, and hand out again what is released', () => {
    const first = ipToNumber(ip('192.168.1.250'));
    const hosts = fc.array(fc.nat({ max: 9 }), { maxLength: 30 });
    fc.assert(
      fc.property(hosts, hosts, (taken, released) => {
        const pool = new AddressPool([{ family: 4, first, last: first + 9n }], undefined);
        const address = (offset: number) => ip(`192.168.${offset < 6 ? 1 : 2}.${(250 + offset) % 256}`);
        for (const offset of taken) pool.take(address(offset));
        for (const offset of released) pool.release(address(offset));
        const free = Array.from({ length: 10 }, (_, offset) => offset).filter(
          (offset) => !taken.includes(offset) || released.includes(offset),
        );
        expect(drain(pool, 100)).toEqual(free.map(address));
      }),
      { seed: 7 },
    );
  });
});
