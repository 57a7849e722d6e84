import { type ConditionUpdateOf, type PortAddressStatus, updateConditions } from '@outboard/model';
import { expectConfirmation } from './confirmation.js';
import type { DpuEntry, PortEntry } from './entries.js';
import { propagationOf } from './propagation.js';

/** A port's addresses with the gateways that their subnets have; the very same when these are known. */
export function addressesOf({ network, record }: PortEntry): readonly PortAddressStatus[] {
  const { addresses } = record.resource.status;
  const gatewayOf = ({ subnet }: PortAddressStatus) =>
    network.subnets.get(subnet)?.record.resource.status.gateway;
  if (addresses.every((address) => address.gateway === gatewayOf(address))) return addresses;
  return addresses.map((address) => ({ ...address, gateway: gatewayOf(address) ?? address.gateway }));
}

/** Whether the row of a stored port does not say what is so, which an earlier decision could not write; or may not. */
export const isOutdated = (port: PortEntry): boolean => {
  const { placement, network, record } = port;
  const { mtu, addresses } = record.resource.status;
  return !placement || mtu !== network.record.resource.status.mtu || addressesOf(port) !== addresses;
};

/** A port waits for its DPU. */
export const applying = ({
  record: { name, reachable },
}: DpuEntry): Extract<ConditionUpdateOf<'Port'>, { type: 'Applied' }> => ({
  type: 'Applied',
  reason: 'Applying',
  message: reachable ? name : `${name} is unreachable`,
});

/**
 * The row of a stored port may be from before a decision that gave it other policies or chains, or knew its DPU to be away:
 * until its DPU has confirmed `revision`, which all documents have after a start, nobody knows that it has these.
 */
export function expectUntold(port: PortEntry, time: number, revision: number): void {
  const { placement, record } = port;
  if (!placement) return;
  expectConfirmation(port, placement.dpu, revision);
  const { resource } = record;
  const { metadata, status } = resource;
  const { name, reachable } = placement.dpu.record;
  const updates: ConditionUpdateOf<'Port'>[] = [
    applying(placement.dpu),
    { type: 'Healthy', reason: reachable ? 'DpuReachable' : 'DpuUnreachable', message: name },
  ];
  const conditions = updateConditions('Port', status.conditions, updates, metadata.generation, time);
  const told = { ...status, conditions, propagated: propagationOf(port) };
  port.record = { ...record, sequence: revision, resource: { ...resource, status: told } };
}
