import { driverConformance } from '../conformance-suite.js';
import { openSimWorld } from '../testing/sim-conformance.js';

// Looks and kinds one by one are gone through with latency (sim-latency.slow.spec.ts).
driverConformance('sim', openSimWorld(), { part: 'quick', walks: 40, faultStride: 5 });
