import { equal, invariant } from '@outboard/core';
import {
  type Condition,
  type ConditionUpdateOf,
  findCondition,
  type Metadata,
  type Network,
  type NetworkSpec,
  type NetworkStatus,
  type Port,
  type PortSpec,
  type PortStatus,
  segmentText,
  updateConditions,
} from '@outboard/model';
import type { Draft } from './draft.js';
import type { DpuEntry, NetworkEntry, Placement, PortEntry } from './entries.js';
import { offloadOf, toldOffload } from './offload.js';
import { comparePlacements, placementOf } from './placement.js';
import { type Allocation, type DpuOverride, effectiveMtu, namesOf, type Plan, planPort } from './plan.js';
import { propagationOf } from './propagation.js';
import type { ReleaseRecord } from './records.js';
import { NO_PROBLEM, problemCondition, problemOf } from './trouble.js';
import { applying } from './untold.js';

type PortCondition = ConditionUpdateOf<'Port'>;

/** A port as it shall be: what callers say, and what it is given. */
export interface DesiredPort {
  readonly metadata: Metadata;
  readonly spec: PortSpec;
  readonly allocation: Allocation;
}

/** The allocation that a stored port has. */
export function allocationOf({ status }: Port): Allocation {
  invariant(status.macAddress, 'a stored port has a MAC address');
  return { macAddress: status.macAddress, addresses: status.addresses };
}

/**
 * Plans a port and writes it; its status follows from the world as it is now.
 *
 * @param released what the port gives up by this change.
 */
export function writePort(
  draft: Draft,
  network: NetworkEntry,
  before: PortEntry | undefined,
  { metadata, spec, allocation }: DesiredPort,
  options: { readonly override?: DpuOverride; readonly released?: ReleaseRecord | undefined } = {},
): void {
  const { world, context } = draft;
  const former = before?.record.resource.status;
  const plan = planPort(world, network, metadata.uid, spec, allocation, former, options.override);
  const { segment, mtu } = network.record.resource.status;
  const formerConditions = former?.conditions ?? [];
  const status = {
    observedGeneration: metadata.generation,
    dpu: plan.planned ? plan.dpu.name : undefined,
    representor: plan.planned ? plan.representor : undefined,
    mtu,
    macAddress: allocation.macAddress,
    addresses: allocation.addresses,
    segment,
    offload: undefined,
    propagated: former?.propagated,
    conditions: formerConditions,
  };
  const resource: Port = { kind: 'Port', metadata, spec, status };
  const { policies } = world.policies.of(resource);
  const chains = world.serviceChains.of(resource, network.router);
  const placement = placementOf(resource, network, world.dpus, { policies, chains });
  const difference = comparePlacements(before?.placement, placement);
  const updates = conditionsOf(plan, placement, difference.home, formerConditions);
  const conditions = updateConditions('Port', formerConditions, updates, metadata.generation, context.now);
  const changed = difference.home || difference.remote;
  const told = before && placement && !difference.home ? toldOffload(before, placement.dpu) : undefined;
  const offload = plan.planned ? (offloadOf(spec, plan.dpu) ?? told) : undefined;
  const next = { ...status, offload, conditions };
  const known = before?.record.resource;
  if (!changed && known?.metadata === metadata && known.spec === spec && equal(known.status, next)) return;
  const sequence = changed ? context.revision : (before?.record.sequence ?? 0);
  const record = {
    kind: 'Port',
    resource: { ...resource, status: next },
    sequence,
  } as const;
  const isStatusOnly = !changed && known?.metadata === metadata && known.spec === spec;
  if (isStatusOnly && !options.released) draft.tellPort(record, placement);
  else draft.putPort(record, placement);
  if (options.released) draft.put(options.released);
}

/** Plans a stored port again, as something that it depends on has changed. */
export function replanPort(draft: Draft, port: PortEntry, override?: DpuOverride): void {
  const { metadata, spec } = port.record.resource;
  const desired = { metadata, spec, allocation: allocationOf(port.record.resource) };
  writePort(draft, port.network, port, desired, override ? { override } : {});
  replanVlans(draft, port, override);
}

/** Plans again the ports that are VLANs of a port, which go where it goes. */
export function replanVlans(draft: Draft, port: PortEntry, override?: DpuOverride): void {
  replanAll(draft, draft.world.vlansOf(port), override);
}

/** Plans ports again: those without a place, as many as one decision can hold; others come with those that follow. */
export function replanAll(draft: Draft, ports: Iterable<PortEntry>, override?: DpuOverride): void {
  for (const port of ports) {
    if (port.placement || override || draft.plansAnother()) replanPort(draft, port, override);
    else draft.world.outdated.add(port);
  }
}

/** Tells of ports that other policies or chains apply to now that their DPUs have to apply that. */
export function writeRetold(draft: Draft): void {
  const { revision, now } = draft.context;
  for (const { record, placement } of draft.world.takeRetold()) {
    if (!placement) continue;
    const { metadata, status } = record.resource;
    const updates = [applying(placement.dpu)];
    const conditions = updateConditions('Port', status.conditions, updates, metadata.generation, now);
    const resource = { ...record.resource, status: { ...status, conditions } };
    draft.tellPort({ ...record, resource, sequence: revision }, placement);
  }
}

/** Takes over what the home DPU tells of a planned port. */
export function writePortHealth(draft: Draft, port: PortEntry): void {
  const { record, placement } = port;
  if (!placement) return;
  const problem = problemOf(port);
  const { dpu } = placement;
  const { metadata, spec, status } = record.resource;
  const { generation } = metadata;
  const offload = offloadOf(spec, dpu.record) ?? toldOffload(port, dpu);
  const applied = problem
    ? problemCondition(problem)
    : dpu.unconfirmed.has(port)
      ? applying(dpu)
      : (lacksHardware(spec, offload) ?? appliedOn(dpu));
  const conditions = updateConditions('Port', status.conditions, [applied], generation, draft.context.now);
  if (conditions === status.conditions && equal(offload, status.offload)) writePropagation(draft, port);
  else {
    const resource = { ...record.resource, status: { ...status, offload, conditions } };
    draft.tellPort({ ...record, resource }, placement);
  }
}

const appliedOn = ({ record: { name } }: DpuEntry): PortCondition => ({
  type: 'Applied',
  reason: 'AppliedAndReadBack',
  message: name,
});

/** What keeps a port that has to be in hardware from being ready, though it is applied. */
const lacksHardware = (spec: PortSpec, offload: PortStatus['offload']): PortCondition | undefined =>
  spec.offload === 'REQUIRED' && offload?.state === 'SOFTWARE'
    ? { type: 'Applied', reason: 'NotInHardware', message: offload.reason }
    : undefined;

function conditionsOf(
  plan: Plan,
  placement: Placement | undefined,
  homeChanged: boolean,
  former: readonly Condition[],
): PortCondition[] {
  const accepted: PortCondition = { type: 'Accepted', reason: 'Valid', message: '' };
  if (!plan.planned || !placement) {
    invariant(!plan.planned, 'a planned port has a place');
    return [
      accepted,
      { type: 'Planned', reason: plan.reason, message: plan.message },
      { type: 'Applied', reason: 'NotPlanned', message: '' },
      { type: 'Healthy', reason: 'NeverReported', message: '' },
    ];
  }
  const { dpu } = placement;
  const { name, reachable } = dpu.record;
  const before = findCondition(former, 'Applied');
  const kept = homeChanged || !before || before.reason === 'Applying' ? undefined : before;
  return [
    accepted,
    { type: 'Planned', reason: 'Planned', message: name },
    kept ? ({ ...kept, type: 'Applied' } as PortCondition) : applying(dpu),
    { type: 'Healthy', reason: reachable ? 'DpuReachable' : 'DpuUnreachable', message: name },
  ];
}

/** Writes a network, its status following from the world as it is now. */
export function writeNetwork(
  draft: Draft,
  metadata: Metadata,
  spec: NetworkSpec,
  status: Pick<NetworkStatus, 'segment' | 'mtu'>,
  former: readonly Condition[],
): void {
  const { segment, mtu } = status;
  const blocker = segment && draft.world.segments.blocker(segment, metadata.uid);
  const conditions = updateConditions(
    'Network',
    former,
    [
      { type: 'Accepted', reason: 'Valid', message: '' },
      blocker
        ? {
            type: 'Planned',
            reason: 'SegmentQuarantined',
            message: `${segmentText(segment)} may still be used by ${namesOf(blocker)}`,
          }
        : { type: 'Planned', reason: 'SegmentAllocated', message: '' },
      ...(findCondition(former, 'Applied') ? [] : [NO_PROBLEM]),
    ],
    metadata.generation,
    draft.context.now,
  );
  const resource: Network = {
    kind: 'Network',
    metadata,
    spec,
    status: { observedGeneration: metadata.generation, segment, mtu, ports: 0, conditions },
  };
  draft.put({ kind: 'Network', resource });
}

/**
 * Gives a network and its ports the MTU that follows from its DPUs, if that is another now. Where these are too many for
 * one decision, later ones tell them.
 */
export function settleMtu(draft: Draft, network: NetworkEntry): void {
  const mtu = effectiveMtu(network);
  const { metadata, spec, status } = network.record.resource;
  if (mtu === status.mtu) return;
  writeNetwork(draft, metadata, spec, { ...status, mtu }, status.conditions);
  if (network.ports.size > draft.world.toldAtOnce) {
    for (const port of network.ports) draft.world.outdated.add(port);
    return;
  }
  for (const { record, placement } of network.ports) {
    const resource = { ...record.resource, status: { ...record.resource.status, mtu } };
    draft.putPort({ ...record, resource }, placement);
  }
  // A VLAN fits into its parent, or does not any more.
  for (const port of network.ports) {
    if (port.record.resource.spec.trunk) replanPort(draft, port);
    replanVlans(draft, port);
  }
}

/** Tells how far a port is known, if that is news. */
export function writePropagation(draft: Draft, port: PortEntry): void {
  if (!equal(propagationOf(port), port.record.resource.status.propagated)) {
    draft.putPort(port.record, port.placement);
  }
}
