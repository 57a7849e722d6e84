import {
  type Dpu,
  type DpuFunction,
  functionIdentityOf,
  isAdmitted,
  isConnected,
  isSchedulable,
  type Name,
  NETWORK_TYPES,
  type NetworkType,
} from '@outboard/model';
import type { DpuRecord, FunctionRecord, InventoryChange } from '@outboard/planner';
import type { ProjectedChange } from '@outboard/resource-service';

/** Name of the capability that a driver reports when ports can be realised in hardware. */
export const HARDWARE_OFFLOAD = 'hardware-offload';
/** Likewise when ports can be VLANs of others. */
export const TRUNK = 'trunk';

/** What a change of admin's inventory means for the planner; undefined: nothing. */
export function inventoryChangeOf({ kind, name, resource }: ProjectedChange): InventoryChange | undefined {
  if (kind !== 'Dpu' && kind !== 'Function') return undefined;
  // Nothing is planned on a DPU that is not part of the fleet: as if it were not known.
  if (resource?.kind === 'Dpu' && isAdmitted(resource))
    return { operation: 'put', record: dpuRecordOf(resource) };
  const record = resource?.kind === 'Function' ? functionRecordOf(resource) : undefined;
  return record ? { operation: 'put', record } : { operation: 'remove', kind, name: name as Name };
}

/** What a DPU's capabilities let it realise. VXLAN is what every driver has, or it realises nothing and says so. */
const encapsulationsOf = (capabilities: Dpu['status']['capabilities']): NetworkType[] => {
  const has = (type: NetworkType): boolean =>
    capabilities.some(({ name, available }) => name === type.toLowerCase() && available);
  return NETWORK_TYPES.filter((type) => type === 'VXLAN' || has(type));
};

function dpuRecordOf(dpu: Dpu): DpuRecord {
  const { metadata, status } = dpu;
  return {
    kind: 'Dpu',
    name: metadata.name,
    serialNumber: status.serialNumber,
    labels: metadata.labels,
    encapsulations: encapsulationsOf(status.capabilities),
    tunnelEndpoint: status.underlay?.address,
    underlayMtu: status.underlay?.mtu,
    hardwareOffload: status.capabilities.some(
      ({ name, available }) => name === HARDWARE_OFFLOAD && available,
    ),
    trunks: status.capabilities.some(({ name, available }) => name === TRUNK && available),
    reachable: isConnected(dpu),
    schedulable: isSchedulable(dpu),
  };
}

/** Undefined while it was not discovered on any DPU. */
function functionRecordOf({ metadata, status }: DpuFunction): FunctionRecord | undefined {
  const identity = functionIdentityOf(status);
  if (status.dpu === undefined || identity === undefined) return undefined;
  const { dpu, representor } = status;
  return { kind: 'Function', name: metadata.name, dpu, identity, representor: representor?.netdev };
}
