export {
  AFFINITIES,
  type Affinity,
  DEFAULT_SESSION_POLICY,
  EMPTY_SESSION_POLICY,
  effectivePolicy,
  inFlightMebibytes,
  type PartialSessionPolicy,
  type SessionPolicy,
} from './acceleration/policy.js';
export { type JobProgram, type JobStep, keysOfPrograms } from './acceleration/program.js';
export * from './conditions.js';
export { eui64Address } from './eui64.js';
export * from './ip.js';
export type { Accessor, IndexEntry, Kind, Reference } from './kind.js';
export * from './kinds/accelerationkey/spec.js';
export * from './kinds/accelerationprofile/spec.js';
export * from './kinds/accelerationquota/spec.js';
export * from './kinds/accelerationsession/spec.js';
export * from './kinds/addressset/spec.js';
export type { Accelerator, AcceleratorEngine, QuarantinedModule } from './kinds/dpu/accelerator.js';
export { isAdmitted, isConnected, isRetired, isSchedulable, keepsWorkloads } from './kinds/dpu/conditions.js';
export {
  DEFAULT_LIFECYCLE,
  DESIRED_LIFECYCLES,
  type DesiredLifecycle,
  LIFECYCLE_STATES,
  type LifecycleSpec,
  type LifecycleState,
  type LifecycleStatus,
} from './kinds/dpu/lifecycle.js';
export * from './kinds/dpu/spec.js';
export { interfaceIp } from './kinds/dpunetworkconfiguration/parse.js';
export * from './kinds/dpunetworkconfiguration/spec.js';
export { FIRST_DEFAULT_VNI, rangeText } from './kinds/encapsulationpolicy/parse.js';
export * from './kinds/encapsulationpolicy/spec.js';
export { DEFAULT_POOL } from './kinds/function/parse.js';
export { functionIdentityOf } from './kinds/function/references.js';
export * from './kinds/function/spec.js';
export * from './kinds/functionpool/spec.js';
export * from './kinds/netlinkobject/spec.js';
export { DEFAULT_ROUTER } from './kinds/network/parse.js';
export * from './kinds/network/segment.js';
export * from './kinds/network/spec.js';
export { uplinkOf } from './kinds/physicalnetwork/parse.js';
export * from './kinds/physicalnetwork/spec.js';
export { functionIdentityKey } from './kinds/port/references.js';
export * from './kinds/port/spec.js';
export * from './kinds/router/spec.js';
export * from './kinds/securitypolicy/spec.js';
export * from './kinds/servicechain/spec.js';
export { allocatableRanges, excludedRanges, gatewayOf } from './kinds/subnet/ranges.js';
export * from './kinds/subnet/spec.js';
export * from './kinds/workload/spec.js';
export * from './kinds/workloadconfiguration/spec.js';
export * from './label-selector.js';
export * from './manifest.js';
export * from './page-token.js';
export * from './pod-labels.js';
export * from './propagation.js';
export * from './registry.js';
export * from './resource.js';
export * from './selector.js';
export * from './values.js';
export * from './wire.js';
