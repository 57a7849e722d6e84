import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { portBlocks } from './port-ranges.js';

const port = fc.integer({ min: 0, max: 0xffff });

it('a range of ports is blocks that have exactly its ports, at most 30 of them', () => {
  fc.assert(
    fc.property(port, port, port, (one, other, any) => {
      const [first, last] = [Math.min(one, other), Math.max(one, other)];
      const blocks = portBlocks(first, last).map((block) => String(block).split('/').map(Number));
      expect(blocks.length).toBeLessThanOrEqual(30);
      for (const each of [first, last, any, first - 1, last + 1].filter(
        (each) => each >= 0 && each <= 0xffff,
      )) {
        const holding = blocks.filter(([value = 0, mask = 0xffff]) => (each & mask) === value);
        expect(holding).toHaveLength(each >= first && each <= last ? 1 : 0);
      }
    }),
  );
});

it('a single port is told without a mask, as the switch tells it', () => {
  expect(portBlocks(80, 80)).toEqual([80]);
  expect(portBlocks(80, 83)).toEqual(['80/65532']);
});
