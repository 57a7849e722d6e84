import { driverConformance } from '../conformance-suite.js';
import { openSimWorld } from '../testing/sim-conformance.js';

driverConformance('sim', openSimWorld(), { walks: 40, faultStride: 5 });
