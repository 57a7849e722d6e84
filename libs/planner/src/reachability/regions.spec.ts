import { describe, expect, it } from '@jest/globals';
import { type IpAddress, type IpPrefix, ipFromNumber, prefixContains } from '@outboard/model';
import fc from 'fast-check';
import { addressOutside, regionsOf } from './regions.js';

const prefixes = (...texts: string[]): IpPrefix[] => texts as IpPrefix[];
const [WHOLE] = prefixes('10.0.0.0/26') as [IpPrefix];
const ADDRESSES = Array.from({ length: 64 }, (_, index) => ipFromNumber(4, (10n << 24n) + BigInt(index)));

describe('an address outside of prefixes', () => {
  it.each([
    ['of none', '10.0.0.0/24', [], '10.0.0.0'],
    [
      'behind what begins with it',
      '10.0.0.0/24',
      ['10.0.0.0/25', '10.0.0.0/26', '10.0.0.128/32'],
      '10.0.0.129',
    ],
    ['in a gap', '10.0.0.0/24', ['10.0.0.128/25', '10.0.0.0/26'], '10.0.0.64'],
    ['of IPv6', 'fd00::/64', ['fd00::/65', 'fd00:0:0:0:8000::/128', '0.0.0.0/0'], 'fd00::8000:0:0:1'],
    ['is none where they have all', '10.0.0.0/24', ['10.0.0.0/25', '10.0.0.128/25'], undefined],
    ['is none where a wider one has all', '255.255.255.0/24', ['255.255.0.0/16'], undefined],
  ])('%s', (_, prefix, others, expected) => {
    expect(addressOutside(prefix as IpPrefix, prefixes(...others))).toBe(expected);
  });
});

describe('a prefix in regions', () => {
  const inside = fc
    .tuple(fc.integer({ min: 26, max: 32 }), fc.nat(63))
    .map(([length, last]) => `10.0.0.${last & (0xff << (32 - length)) & 0xff}/${length}` as IpPrefix);
  const some = fc.array(inside, { maxLength: 8 });

  it('has every address that is in no hole in one of them, with what is said of it', () => {
    fc.assert(
      fc.property(
        some,
        some,
        fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        (marks, holes, said) => {
          // Addresses that the same marks have are alike.
          const judge = (address: IpAddress) => {
            const value = marks.filter((mark, index) => said[index] && prefixContains(mark, address)).length;
            return { value, text: `${value}` };
          };
          const regions = regionsOf(WHOLE, marks, holes, judge);
          const strict = holes.filter((hole) => hole !== WHOLE);
          for (const address of ADDRESSES) {
            if (strict.some((hole) => prefixContains(hole, address))) continue;
            const own = regions.filter(
              ({ prefix, except }) =>
                prefixContains(prefix, address) && !except.some((each) => prefixContains(each, address)),
            );
            expect(own.map(({ value }) => value)).toEqual([judge(address).value]);
          }
        },
      ),
      { seed: 0x5e61, numRuns: 500 },
    );
  });

  it('says of a part what is said around it only once', () => {
    const alike = () => ({ value: 'same', text: 'same' });
    const marks = prefixes('10.0.0.0/27', '10.0.0.16/28', '10.0.0.40/32', '0.0.0.0/0');
    expect(regionsOf(WHOLE, marks, [], alike)).toEqual([{ prefix: WHOLE, except: [], ...alike() }]);
  });

  it('says nothing of a prefix that holes have all of', () => {
    const never = () => {
      throw new Error('no address is left');
    };
    expect(regionsOf(WHOLE, [], prefixes('10.0.0.0/27', '10.0.0.32/27'), never)).toEqual([]);
  });
});
