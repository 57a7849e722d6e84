import { findCondition } from '@outboard/model';
import type { DpuEntry, NetworkEntry, PortEntry } from './entries.js';

/** A port is another than its DPU knows: it must confirm the sequence. */
export function expectConfirmation(port: PortEntry, dpu: DpuEntry, sequence: number): void {
  if (!dpu.unconfirmed.has(port)) port.lagging++;
  dpu.unconfirmed.set(port, sequence);
}

export function confirm(port: PortEntry, dpu: DpuEntry): void {
  if (dpu.unconfirmed.delete(port)) port.lagging--;
}

/** Whether the port is stored as not known everywhere, though no DPU lags any more. */
export function isSettled({ placement, lagging, network, record }: PortEntry): boolean {
  const stored = record.resource.status.propagated;
  if (!placement || lagging > 0 || network.joining.size > 0 || !stored) return false;
  return stored.applied < stored.total;
}

/** A stored port that was not known everywhere still waits for the DPUs of its network. */
export function expectStored(port: PortEntry): void {
  if (!port.placement) return;
  const { propagated } = port.record.resource.status;
  const propagating = !propagated || propagated.applied < propagated.total;
  if (!propagating && isApplied(port)) return;
  for (const { dpu } of port.network.members.values()) {
    if (propagating || dpu === port.placement.dpu) expectConfirmation(port, dpu, port.record.sequence);
  }
}

/** A stored network's DPU of which no port was ever applied may not know yet that it takes part. */
export function expectJoining({ members, joining }: NetworkEntry): void {
  for (const [name, { ports }] of members) {
    if ([...ports].some(isApplied)) continue;
    joining.set(name, Math.min(...[...ports].map(({ record }) => record.sequence)));
  }
}

const isApplied = ({ record }: PortEntry): boolean =>
  findCondition(record.resource.status.conditions, 'Applied')?.status === 'True';
