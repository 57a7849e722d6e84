import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RegionViews } from './region-views.js';

it('a view is where and as long as it was asked for, whatever was asked for before', () => {
  const bytes = new Uint8Array(1 << 20);
  const views = new RegionViews(bytes);
  const place = fc.record({
    offset: fc.oneof(
      fc.nat(bytes.length),
      fc.nat(2000).map((index) => index * 64),
    ),
    length: fc.nat(3000),
  });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 50 }), (places) => {
      for (const { offset, length } of places) {
        const inside = Math.min(length, bytes.length - offset);
        const view = views.view(offset, inside);
        expect([view.buffer, view.byteOffset, view.length]).toEqual([bytes.buffer, offset, inside]);
      }
    }),
  );
});
