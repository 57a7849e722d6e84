import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import { DataplaneObjectSchema } from '@outboard/contracts';
import fc from 'fast-check';
import * as documents from '../testing/documents.js';
import { ObjectReader } from './object-reader.js';

const parsed = (bytes: Uint8Array) => fromBinary(DataplaneObjectSchema, bytes);

/** A route of which each part is mostly that of its neighbours. */
const route = fc
  .record({
    destination: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string({ unit: 'grapheme', maxLength: 200 })),
    gateways: fc.array(fc.constantFrom('10.0.0.9', 'fd00::9', ''), { maxLength: 3 }),
    networkUid: fc.constantFrom('', 'blue', 'b'.repeat(300)),
    router: fc.constantFrom('', 'router/acme/main', `router/acme/${'m'.repeat(200)}`),
    name: fc.constantFrom('main', 'other', 'x'.repeat(200)),
  })
  .map(({ destination, gateways, networkUid, router, name }) =>
    toBinary(
      DataplaneObjectSchema,
      create(DataplaneObjectSchema, {
        source: { kind: 'Router', tenant: 'acme', name },
        object: {
          case: 'route',
          value: {
            router,
            destination,
            nextHops: gateways.map((gateway) => ({ gateway, weight: 1, networkUid })),
          },
        },
      }),
    ),
  );

describe('a reader of objects', () => {
  it('reads what the generated reader reads, whatever it read before', () => {
    fc.assert(
      fc.property(fc.array(route, { maxLength: 20 }), (all) => {
        const reader = new ObjectReader();
        expect(all.map((bytes) => reader.read(bytes))).toEqual(all.map(parsed));
      }),
    );
  });

  it('is not misled by fields that are repeated, unknown or cut', () => {
    const [, first] = documents.route('10.1.0.0/24', [{ gateway: '10.0.0.9', weight: 1 }]);
    const [, second] = documents.route('10.2.0.0/24', [{ gateway: '10.0.0.9', weight: 1 }]);
    const spoil = fc.record({
      at: fc.nat(second.length - 1),
      by: fc.nat(255),
      length: fc.nat(second.length),
    });
    const attempt = (read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown => {
      try {
        return read(bytes);
      } catch {
        return 'refused';
      }
    };
    fc.assert(
      fc.property(spoil, ({ at, by, length }) => {
        const bytes = Uint8Array.from(second)
          .fill(by, at, at + 1)
          .subarray(0, length);
        const reader = new ObjectReader();
        reader.read(first);
        expect(attempt((each) => reader.read(each), bytes)).toEqual(attempt(parsed, bytes));
      }),
      { numRuns: 2000 },
    );
    const reader = new ObjectReader();
    const twice = Uint8Array.from([...first, ...second]);
    expect([reader.read(first), reader.read(twice), reader.read(second)]).toEqual(
      [first, twice, second].map(parsed),
    );
  });
});
