import { systemClock, systemRandom } from '@outboard/core';
import { driverConformance } from '../conformance-suite.js';
import { openSimWorld } from '../testing/sim-conformance.js';
import type { LatencyShape } from './latency.js';

/** So that calls end in another order than they begin in where they may, and steps have gaps between them. */
const UNEVEN: LatencyShape = {
  call: 0.5,
  operation: 0.02,
  read: 0.005,
  kinds: new Map([
    ['port', 2],
    ['gate', 1],
  ]),
  jitter: 1,
};

driverConformance(
  'sim that takes its time',
  openSimWorld({ shape: UNEVEN, clock: systemClock, random: systemRandom }),
  { walks: 10, faultStride: 25 },
);
