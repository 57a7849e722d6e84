import { expect, it } from '@jest/globals';
import { measureSpeed } from './speed.js';

it('of an engine that was interrupted for seconds in every job is at least 1', () => {
  let milliseconds = 0;
  const digest = (_input: Uint8Array, _output: Uint8Array): number => {
    milliseconds += 10_000;
    return 32;
  };
  const speeds = measureSpeed(
    { algorithm: 'SHA_256', operation: 'DIGEST', engine: { kind: 'digest', digest } } as never,
    () => milliseconds,
  );
  expect(speeds.map(({ megabytesPerSecond }) => megabytesPerSecond)).toEqual([1, 1, 1]);
});
