import { expect, it } from '@jest/globals';
import { bounded } from './bounded.js';

const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));

it('an action that takes the processor for too long is ended', () => {
  const forever = (): never => {
    for (;;);
  };
  expect(() => bounded(50, forever)).toThrow('takes more than 50 ms');
});

it('an action that gets no processor is begun again, and not for ever', () => {
  let begun = 0;
  const waits = (times: number) => (): string => {
    if (++begun <= times) Atomics.wait(nobodyWakes, 0, 0);
    return 'done';
  };
  expect(bounded(50, waits(2))).toBe('done');
  begun = 0;
  expect(() => bounded(1_000, waits(100))).toThrow('takes more than 1000 ms');
  expect(begun).toBe(4);
});

it('what an action throws is thrown', () => {
  const broken = (): never => {
    throw new Error('no');
  };
  expect(() => bounded(50, broken)).toThrow('no');
});
