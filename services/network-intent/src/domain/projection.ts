import { type Dpu, type DpuFunction, findCondition } from '@outboard/model';
import type { DpuRecord, FunctionRecord } from '@outboard/planner';

/** Name of the capability that a driver reports when ports can be realised in hardware. */
export const HARDWARE_OFFLOAD = 'hardware-offload';

/** What the planner needs to know of a DPU. */
export const dpuRecordOf = ({ metadata, status }: Dpu): DpuRecord => ({
  kind: 'Dpu',
  name: metadata.name,
  serialNumber: status.serialNumber,
  tunnelEndpoint: status.underlay?.address,
  underlayMtu: status.underlay?.mtu,
  hardwareOffload: status.capabilities.some(({ name, available }) => name === HARDWARE_OFFLOAD && available),
  reachable: findCondition(status.conditions, 'Healthy')?.status === 'True',
});

/** What the planner needs to know of a function; undefined while it was not discovered on any DPU. */
export function functionRecordOf({ metadata, status }: DpuFunction): FunctionRecord | undefined {
  const { dpu, serialNumber, pfMacAddress, vfNumber, representor } = status;
  if (dpu === undefined || serialNumber === undefined || pfMacAddress === undefined) return undefined;
  return {
    kind: 'Function',
    name: metadata.name,
    dpu,
    identity: { serialNumber, pfMacAddress, vfNumber },
    representor: representor?.netdev,
  };
}
