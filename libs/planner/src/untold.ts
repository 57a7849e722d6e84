import { type ConditionUpdateOf, updateConditions } from '@outboard/model';
import { expectConfirmation } from './confirmation.js';
import type { DpuEntry, PortEntry } from './entries.js';
import { propagationOf } from './propagation.js';

/** A port waits for its DPU. */
export const applying = ({
  record: { name, reachable },
}: DpuEntry): Extract<ConditionUpdateOf<'Port'>, { type: 'Applied' }> => ({
  type: 'Applied',
  reason: 'Applying',
  message: reachable ? name : `${name} is unreachable`,
});

/**
 * The row of a stored port may be from before a decision that gave it other policies or chains: until its DPU has confirmed
 * `revision`, which all documents have after a start, nobody knows that it has these.
 */
export function expectUntold(port: PortEntry, time: number, revision: number): void {
  const { placement, record } = port;
  if (!placement) return;
  expectConfirmation(port, placement.dpu, revision);
  const { resource } = record;
  const { metadata, status } = resource;
  const updates = [applying(placement.dpu)];
  const conditions = updateConditions('Port', status.conditions, updates, metadata.generation, time);
  const told = { ...status, conditions, propagated: propagationOf(port) };
  port.record = { ...record, sequence: revision, resource: { ...resource, status: told } };
}
