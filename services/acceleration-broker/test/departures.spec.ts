import { expect, it } from '@jest/globals';
import type { Name } from '@outboard/model';
import { Departures } from '../src/domain/departures.js';

const DPU = 'dpu-a' as Name;

it('what leaves a DPU that is not known any more does not make an older document good enough for a lease', () => {
  const departures = new Departures(7);
  const undo = departures.left(DPU, 0);
  expect(departures.lastLeft(DPU)).toBe(7);
  departures.left(DPU, 9);
  expect(departures.lastLeft(DPU)).toBe(9);
  undo();
  expect(departures.lastLeft(DPU)).toBe(7);
});
