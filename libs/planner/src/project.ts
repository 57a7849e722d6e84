import { equal } from '@outboard/core';
import { functionIdentityKey, type Name } from '@outboard/model';
import type { Context, Decision, InventoryChange } from './api.js';
import { Draft } from './draft.js';
import type { PortEntry } from './entries.js';
import { hasUnderlay } from './plan.js';
import type { DpuRecord, FunctionRecord } from './records.js';
import { confirmReleases, type FreedValues } from './release.js';
import { replanAll, type replanPort, settleMtu, writeNetwork } from './settle.js';
import { settleTouched } from './settle-touched.js';
import type { World } from './world.js';

/**
 * Takes over what admin tells of DPUs and functions, and plans again what depends on it. Telling the same again changes
 * nothing; the order does not matter.
 */
export function project(world: World, changes: readonly InventoryChange[], context: Context): Decision {
  const draft = new Draft(world, context);
  for (const change of changes) {
    if (change.operation === 'remove') {
      if (change.kind === 'Dpu') removeDpu(draft, change.name);
      else removeFunction(draft, change.name);
    } else if (change.record.kind === 'Dpu') putDpu(draft, change.record);
    else putFunction(draft, change.record);
  }
  return draft.decision();
}

function putFunction(draft: Draft, record: FunctionRecord): void {
  const { world } = draft;
  const before = world.functions.get(record.name);
  if (equal(before, record)) return;
  draft.put(record);
  replan(draft, boundPorts(world, before ? [before, record] : [record]));
}

function removeFunction(draft: Draft, name: Name): void {
  const before = draft.world.functions.get(name);
  if (!before) return;
  draft.remove({ kind: 'Function', tenant: '_', name });
  replan(draft, boundPorts(draft.world, [before]));
}

function putDpu(draft: Draft, record: DpuRecord): void {
  const { world } = draft;
  const before = world.dpus.get(record.name)?.record;
  const after = hasUnderlay(record) ? record : withUnderlayOf(record, before);
  if (equal(before, after)) return;
  // Ports leave before the DPU becomes one that cannot have them.
  if (before && !equal(before.labels, after.labels)) {
    const placed = [...portsOfDpu(world, record.name)].filter(({ placement }) => placement);
    replan(draft, placed, { name: record.name, record: after });
  }
  draft.put(after);
  replan(draft, portsOfDpu(world, record.name));
  // Its underlay may have become smaller or larger.
  for (const { network } of world.dpus.get(record.name)?.memberships.values() ?? [])
    settleMtu(draft, network);
  settleTouched(draft);
}

/**
 * A DPU that does not know its underlay at present (its worker has just started, the device has no address yet) keeps
 * the one that it told last: its ports would be withdrawn from all documents for a moment otherwise. The underlay is gone
 * when the DPU is retired.
 */
const withUnderlayOf = (record: DpuRecord, known: DpuRecord | undefined): DpuRecord => ({
  ...record,
  tunnelEndpoint: known?.tunnelEndpoint,
  underlayMtu: known?.underlayMtu,
});

/** A retired DPU has nothing any more: nobody waits for it. */
function removeDpu(draft: Draft, name: Name): void {
  const { world } = draft;
  const entry = world.dpus.get(name);
  if (!entry) return;
  replan(draft, portsOfDpu(world, name), { name, record: undefined });
  const freed = confirmReleases(draft, entry.waits.keys(), name);
  draft.remove({ kind: 'Dpu', tenant: '_', name });
  replanFreed(draft, freed);
}

/** Plans again what waited for quarantined values. */
export function replanFreed(draft: Draft, { ports, networks }: FreedValues): void {
  const waiting = new Set(ports);
  for (const network of networks) {
    const { metadata, spec, status } = network.record.resource;
    writeNetwork(draft, metadata, spec, status, status.conditions);
    for (const port of network.ports) if (!port.placement) waiting.add(port);
  }
  replan(draft, waiting);
}

function replan(draft: Draft, ports: Iterable<PortEntry>, override?: Parameters<typeof replanPort>[2]): void {
  replanAll(draft, ports, override);
  settleTouched(draft);
}

function boundPorts(world: World, functions: Iterable<FunctionRecord>): Set<PortEntry> {
  const ports = new Set<PortEntry>();
  for (const { identity } of functions) {
    const port = world.bindings.get(functionIdentityKey(identity));
    if (port) ports.add(port);
  }
  return ports;
}

const portsOfDpu = (world: World, name: Name): Set<PortEntry> =>
  boundPorts(world, world.functions.ofDpu(name));
