import { expect, it, jest } from '@jest/globals';

const { bounded } = await import('./bounded.js');
/** Of the first calls: less than it takes to load a compiler, wherever in it they end. */
const short = [1, 2, 4, 8, 16, 32];
jest.unstable_mockModule('./bounded.js', () => ({
  bounded: <Value>(usual: number, action: () => Value): Value => bounded(short.shift() ?? usual, action),
}));
const { compileSchema } = await import('./schema.js');

it('a first schema that gets too little time spoils none that come after it', () => {
  const alternatives = Array.from({ length: 1000 }, (_, index) => ({ properties: { [`p${index}`]: {} } }));
  expect(compileSchema({ anyOf: alternatives }).ok).toBe(false);
  while (short.length > 0) compileSchema({ anyOf: alternatives });
  expect(compileSchema({ type: 'object' })).toMatchObject({ ok: true });
});
