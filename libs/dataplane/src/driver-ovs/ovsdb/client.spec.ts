import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { elementsOf, entriesOf, uuidsOf } from './client.js';
import { JsonSplitter } from './json-rpc.js';

it('messages that nothing divides are taken apart, wherever the stream breaks', () => {
  const message = fc.record({ id: fc.nat(), text: fc.string({ unit: 'grapheme' }), inner: fc.object() });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(200)), (messages, breaks) => {
      const stream = messages.map((each) => JSON.stringify(each)).join('');
      const splitter = new JsonSplitter();
      const found: unknown[] = [];
      let at = 0;
      for (const next of breaks) {
        found.push(...splitter.push(stream.slice(at, at + next)));
        at += next;
      }
      found.push(...splitter.push(stream.slice(at)));
      expect(found).toEqual(messages.map((each) => JSON.parse(JSON.stringify(each))));
    }),
  );
});

it('sets of one element are sets', () => {
  expect(elementsOf(['set', [1, 2]])).toEqual([1, 2]);
  expect(elementsOf(3)).toEqual([3]);
  expect(elementsOf(['set', []])).toEqual([]);
  expect(uuidsOf(['uuid', 'a'])).toEqual(['a']);
  expect(
    uuidsOf([
      'set',
      [
        ['uuid', 'a'],
        ['uuid', 'b'],
      ],
    ]),
  ).toEqual(['a', 'b']);
  expect(entriesOf(['map', [['key', 'flow']]])).toEqual({ key: 'flow' });
});
