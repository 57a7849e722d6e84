import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalAddress, formatPrefix, parsePrefix } from '../realise/addresses.js';
import { elementCount, senderElements, senderOf } from './sender-elements.js';

const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map((bytes) => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'));
const port = fc.stringMatching(/^obp[0-9a-f]{12}$/);
const address = fc.oneof(fc.ipV4(), fc.ipV6());

describe('elements of senders', () => {
  it('say who they are about', () => {
    fc.assert(
      fc.property(port, mac, fc.option(fc.tuple(address, fc.nat(127))), (name, own, sourced) => {
        let source: string | undefined;
        if (sourced !== null) {
          const [ip, nat] = sourced;
          const length = ip.includes(':') ? nat : nat % 32;
          const prefix = parsePrefix(`${ip}/${length}`);
          source = nat % 2 === 0 || prefix === undefined ? canonicalAddress(ip) : formatPrefix(prefix);
        }
        const elements = senderElements(name, own, source);
        expect(elements).toHaveLength(elementCount(source));
        for (const element of elements) {
          const about = { port: name, mac: own, ...(source === undefined ? {} : { source }) };
          expect(senderOf(element)).toEqual(about);
        }
      }),
    );
  });

  it('of IPv6 are about advertised targets as well, and are laid out as nftables does', () => {
    const sets = senderElements('obp0123456789ab', '02:00:5e:00:10:05', 'fd00::5').map(({ set }) => set);
    expect(sets).toEqual(['sender-ipv6', 'sender-targets']);
    const [element] = senderElements('obp0123456789ab', '02:00:5e:00:10:05', '10.0.1.5');
    expect(Buffer.from(element?.key ?? []).toString('hex')).toBe(
      `${Buffer.from('obp0123456789ab\0').toString('hex')}02005e001005${'0000'}${'0a000105'}`,
    );
  });

  it('that are none of ours are told apart', () => {
    expect(senderOf({ key: new Uint8Array(4) })).toBeUndefined();
    expect(senderOf({ key: new Uint8Array(24 + 5) })).toBeUndefined();
  });
});
