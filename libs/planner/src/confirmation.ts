import { findCondition } from '@outboard/model';
import { expectObject } from './awaited.js';
import type {
  AddressSetEntry,
  ChainEntry,
  DpuEntry,
  NetlinkObjectEntry,
  NetworkEntry,
  PolicyEntry,
  PortEntry,
  RouterEntry,
} from './entries.js';

/** The DPUs that have an object of a port that is placed: all of its network, but where the fabric learns only its own. */
export function dpusThatKnow({ network, placement }: PortEntry): Iterable<DpuEntry> {
  if (!placement) return [];
  return network.physical ? [placement.dpu] : network.dpus;
}

/** Whether a DPU of the port's network has an object of the port. */
export const knows = (dpu: DpuEntry, { network, placement }: PortEntry): boolean =>
  placement !== undefined && (placement.dpu === dpu || !network.physical);

/** Whether a DPU has still to confirm that it takes part in the network, so that the port is not known everywhere. */
const isJoining = ({ network: { joining, physical }, placement }: PortEntry): boolean =>
  physical ? placement !== undefined && joining.has(placement.dpu.record.name) : joining.size > 0;

/** A port is another than its DPU knows: it must confirm the sequence. */
export function expectConfirmation(port: PortEntry, dpu: DpuEntry, sequence: number): void {
  const before = dpu.unconfirmed.size;
  dpu.unconfirmed.set(port, sequence);
  if (dpu.unconfirmed.size > before) port.lagging++;
}

export function confirm(port: PortEntry, dpu: DpuEntry): void {
  if (dpu.unconfirmed.delete(port)) port.lagging--;
}

/** Whether the port is stored as not known everywhere, though no DPU lags any more. */
export function isSettled(port: PortEntry): boolean {
  const stored = port.record.resource.status.propagated;
  if (!port.placement || port.lagging > 0 || isJoining(port) || !stored) return false;
  return stored.applied < stored.total;
}

/** A stored port that was not known everywhere still waits for the DPUs of its network. */
export function expectStored(port: PortEntry): void {
  if (!port.placement) return;
  const { propagated } = port.record.resource.status;
  const propagating = !propagated || propagated.applied < propagated.total;
  if (!propagating && isApplied(port)) return;
  for (const dpu of dpusThatKnow(port)) {
    if (propagating || dpu === port.placement.dpu) expectConfirmation(port, dpu, port.record.sequence);
  }
}

/**
 * A stored network's DPU of which no port was ever applied may not know yet that it takes part. One that only routes to
 * the network tells with its next report, which is of `revision` or later.
 */
export function expectJoining({ members, joining }: NetworkEntry, revision: number): void {
  for (const [name, { ports }] of members) {
    if ([...ports].some(isApplied)) continue;
    joining.set(name, Math.min(revision, ...[...ports].map(({ record }) => record.sequence)));
  }
}

/** A stored router that was not known to be applied everywhere still waits for the DPUs that route for it. */
export function expectRouter({ record, hosts, unconfirmed }: RouterEntry, revision: number): void {
  if (!record || findCondition(record.resource.status.conditions, 'Applied')?.status === 'True') return;
  for (const name of hosts.keys()) unconfirmed.set(name, revision);
}

/** What a caller has placed, and was not known to be applied everywhere, still waits for its DPUs. */
export function expectPlaced(entry: NetlinkObjectEntry, revision: number): void {
  if (findCondition(entry.record.resource.status.conditions, 'Applied')?.status === 'True') return;
  for (const dpu of entry.place.objects.keys()) expectObject(entry, dpu, revision);
}

/** A stored policy, address set or service chain that was not known to be applied everywhere still waits for its DPUs. */
export function expectPolicy(
  entry: PolicyEntry | AddressSetEntry | ChainEntry,
  dpus: Iterable<DpuEntry>,
  revision: number,
): void {
  const { conditions } = entry.record.resource.status;
  if (findCondition(conditions, 'Applied')?.status === 'True') return;
  for (const dpu of dpus) expectObject(entry, dpu, revision);
}

const isApplied = ({ record }: PortEntry): boolean =>
  findCondition(record.resource.status.conditions, 'Applied')?.status === 'True';
