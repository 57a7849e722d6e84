import { describe, expect, it } from '@jest/globals';
import { type MacAddress, parseMacAddress, type Uid } from '@outboard/model';
import fc from 'fast-check';
import { macAddressOf } from './mac-address.js';

describe('the MAC address of a port', () => {
  it('is made of its uid alone, unicast and locally administered', () => {
    fc.assert(
      fc.property(fc.uuid({ version: 7 }), (text) => {
        const address = macAddressOf(text as Uid, () => false);
        expect(macAddressOf(text as Uid, () => false)).toBe(address);
        expect(parseMacAddress(address)).toEqual({ ok: true, value: address });
        expect(parseInt(address.slice(0, 2), 16) & 0b11).toBe(0b10);
      }),
      { seed: 802 },
    );
  });

  it('is the next one when that is taken, and wraps', () => {
    const uid = '0192f3c1-7a2e-7c1b-9d40-ffffffffffff' as Uid;
    const taken = new Set<MacAddress>(['fe:ff:ff:ff:ff:ff' as MacAddress, 'fe:00:00:00:00:00' as MacAddress]);
    expect(macAddressOf(uid, (address) => taken.has(address))).toBe('fe:00:00:00:00:01');
  });
});
