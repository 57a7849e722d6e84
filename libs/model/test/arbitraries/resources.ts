import fc from 'fast-check';
import { type AnyResource, type KindName, type ResourceOf } from '../../src/index.js';
import {
  accelerationKey,
  accelerationProfile,
  accelerationQuota,
  accelerationSession,
} from './acceleration.js';
import {
  dpu,
  dpuFunction,
  dpuNetworkConfiguration,
  functionPool,
  workload,
  workloadConfiguration,
} from './admin.js';
import {
  encapsulationPolicy,
  netlinkObject,
  network,
  physicalNetwork,
  port,
  router,
  subnet,
} from './network.js';
import { addressSet, securityPolicy, serviceChain } from './policies.js';

/** An arbitrary resource of every kind: a new kind does not compile until it has one. */
export const RESOURCES: { readonly [Kind in KindName]: fc.Arbitrary<ResourceOf<Kind>> } = {
  AccelerationKey: accelerationKey,
  AccelerationProfile: accelerationProfile,
  AccelerationQuota: accelerationQuota,
  AccelerationSession: accelerationSession,
  AddressSet: addressSet,
  Dpu: dpu,
  DpuNetworkConfiguration: dpuNetworkConfiguration,
  EncapsulationPolicy: encapsulationPolicy,
  Function: dpuFunction,
  FunctionPool: functionPool,
  NetlinkObject: netlinkObject,
  Network: network,
  PhysicalNetwork: physicalNetwork,
  Port: port,
  Router: router,
  SecurityPolicy: securityPolicy,
  ServiceChain: serviceChain,
  Subnet: subnet,
  Workload: workload,
  WorkloadConfiguration: workloadConfiguration,
};

export const anyResource: fc.Arbitrary<AnyResource> = fc.oneof(...Object.values(RESOURCES));
