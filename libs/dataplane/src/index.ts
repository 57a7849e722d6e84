// Everything. A process that has to fit a DPU takes `/contract` and the one driver that it needs.
export * from './contract.js';
export * from './driver-memory/faulty-driver.js';
export {
  DIFFICULTY_OPTIONS,
  driverWithFaults,
  MAX_TABLE_ENTRIES,
  parseDifficulty,
  type SwitchDifficulty,
} from './driver-sim/difficulty.js';
export { sourceOf } from './driver-sim/frames.js';
export type { LatencyOptions, LatencyShape } from './driver-sim/latency.js';
export * from './driver-sim/sim-driver.js';
export * from './driver-sim/sim-fabric.js';
export * from './driver-sim/sim-hop.js';
export * from './driver-sim/sim-host.js';
export * from './driver-sim/sim-switch.js';
export * from './linux.js';
export * from './ovs.js';
