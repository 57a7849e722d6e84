import { create } from '@bufbuild/protobuf';
import {
  type DpuCapacity as DpuCapacityMessage,
  type DpuSpec as DpuSpecMessage,
  DpuSpecSchema,
  type DpuStatus as DpuStatusMessage,
  DpuStatusSchema,
  type Underlay as UnderlayMessage,
} from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { optional, required } from '../../fields.js';
import { parseIpAddress } from '../../ip.js';
import { parseSerialNumber } from '../../values.js';
import { acceleratorFromMessage, acceleratorToMessage } from './accelerator.js';
import { lifecycleSpecToMessage, lifecycleStatusToMessage, parseLifecycleStatus } from './lifecycle.js';
import type { DpuCapacity, DpuSpec, DpuStatus, Underlay } from './spec.js';

export const dpuSpecToMessage = ({ serialNumber, host, approved, lifecycle }: DpuSpec): DpuSpecMessage =>
  create(DpuSpecSchema, {
    serialNumber: serialNumber ?? '',
    host: host ?? '',
    ...(approved !== undefined && { approved }),
    lifecycle: lifecycleSpecToMessage(lifecycle),
  });

function parseUnderlay(message: UnderlayMessage | undefined, problems: Problems): Underlay | undefined {
  if (message === undefined) return undefined;
  const address = required(problems, 'status.underlay.address', message.address, parseIpAddress);
  return address && { device: message.device, address, mtu: message.mtu };
}

const capacityOf = (message: DpuCapacityMessage | undefined): DpuCapacity | undefined =>
  message && { cpuMillicores: message.cpuMillicores, memoryMebibytes: message.memoryMebibytes };

export const parseDpuStatus = (
  message: DpuStatusMessage = create(DpuStatusSchema),
  problems: Problems,
): Omit<DpuStatus, 'conditions'> => ({
  observedGeneration: message.observedGeneration,
  serialNumber: optional(problems, 'status.serialNumber', message.serialNumber, parseSerialNumber),
  incarnation: message.incarnation || undefined,
  workerVersion: message.workerVersion || undefined,
  kernelRelease: message.kernelRelease || undefined,
  architecture: message.architecture || undefined,
  driver: message.driver || undefined,
  capabilities: message.capabilities.map(({ name, available, reason }) => ({ name, available, reason })),
  underlay: parseUnderlay(message.underlay, problems),
  accelerator: message.accelerator && acceleratorFromMessage(message.accelerator),
  functions: message.functions,
  capacity: capacityOf(message.capacity),
  usedCapacity: capacityOf(message.usedCapacity),
  freeCapacity: capacityOf(message.freeCapacity),
  workloads: message.workloads,
  networkKept: message.networkKept || undefined,
  endingWorkloads: message.endingWorkloads.map(({ tenant, name, uid }) => ({ tenant, name, uid })),
  usedFunctions: message.usedFunctions,
  freeFunctions: message.freeFunctions,
  uplinks: message.uplinks.map(({ $typeName: _, $unknown, adminState, ...uplink }) => ({
    ...uplink,
    adminState: adminState === 'UP' ? 'UP' : 'DOWN',
  })),
  lifecycle: parseLifecycleStatus(message.lifecycle, problems),
});

export const dpuStatusToMessage = (status: DpuStatus): DpuStatusMessage =>
  create(DpuStatusSchema, {
    observedGeneration: status.observedGeneration,
    serialNumber: status.serialNumber ?? '',
    incarnation: status.incarnation ?? '',
    workerVersion: status.workerVersion ?? '',
    kernelRelease: status.kernelRelease ?? '',
    architecture: status.architecture ?? '',
    driver: status.driver ?? '',
    capabilities: status.capabilities.map((capability) => ({ ...capability })),
    ...(status.underlay && { underlay: status.underlay }),
    ...(status.accelerator && { accelerator: acceleratorToMessage(status.accelerator) }),
    functions: status.functions,
    ...(status.capacity && { capacity: { ...status.capacity } }),
    ...(status.usedCapacity && { usedCapacity: { ...status.usedCapacity } }),
    ...(status.freeCapacity && { freeCapacity: { ...status.freeCapacity } }),
    workloads: status.workloads,
    networkKept: status.networkKept ?? '',
    endingWorkloads: status.endingWorkloads.map((each) => ({ ...each })),
    usedFunctions: status.usedFunctions,
    freeFunctions: status.freeFunctions,
    uplinks: status.uplinks.map((uplink) => ({ ...uplink })),
    ...(status.lifecycle && { lifecycle: lifecycleStatusToMessage(status.lifecycle) }),
  });
