import {
  type ConditionUpdateOf,
  DEFAULT_LIFECYCLE,
  type Dpu,
  type DpuCapacity,
  type EndingWorkload,
  isAdmitted,
  isConnected,
  updateConditions,
} from '@outboard/model';
import type { ClaimedFunctions } from './inventory-tables.js';
import { advance } from './lifecycle/advance.js';
import type { LifecycleFacts } from './lifecycle/outcome.js';
import { toldRebootProblem } from './lifecycle/states.js';
import { namesOfClaims } from './refusals.js';

/** Whether a DPU that nobody has said anything about may be used: as soon as it shows itself, or when it is approved. */
export const APPROVALS = ['FIRST_TOUCH', 'MANUAL'] as const;
export type Approval = (typeof APPROVALS)[number];

/** What a worker says of itself with its heartbeat. */
export type Told = Pick<LifecycleFacts, 'settled' | 'rebootProblem'>;

/** Ports that are named as remaining; the number is always told. */
const LISTED_NAMES = 10;

/**
 * A DPU with its life as far as it has come, and the health that follows; undefined: nothing of it is kept.
 *
 * @param claimed those of its functions that are.
 * @param workloads those that have to leave it before they can end, in words.
 */
export function withLifecycle(
  dpu: Dpu,
  { claimed, workloads }: { readonly claimed: ClaimedFunctions; readonly workloads: readonly string[] },
  {
    approval,
    told,
    now,
  }: { readonly approval: Approval; readonly told?: Told | undefined; readonly now: number },
): Dpu | undefined {
  const { spec, status, metadata } = dpu;
  const connected = isConnected(dpu);
  const ending = status.endingWorkloads.map(endingText).sort();
  // A DPU has hundreds of ports, and is looked at with each that comes or goes: few are named.
  const names = [...namesOfClaims(claimed.first(LISTED_NAMES)), ...workloads, ...ending];
  const facts = {
    ...spec.lifecycle,
    approved:
      spec.approved ?? (approval === 'FIRST_TOUCH' || (status.lifecycle !== undefined && isAdmitted(dpu))),
    connected,
    incarnation: status.incarnation,
    settled: told?.settled ?? false,
    rebootProblem: told?.rebootProblem ?? (status.lifecycle ? toldRebootProblem(status.lifecycle) : ''),
    remaining: claimed.count + workloads.length + ending.length,
    remainingWorkloads: workloads.length + ending.length,
    ending: ending.length,
    remainingNames: names.slice(0, LISTED_NAMES),
  };
  const lifecycle = advance(status.lifecycle, facts, now);
  if (lifecycle === undefined) return undefined;
  const counted = withCounts(dpu, claimed);
  const after: Dpu = { ...counted, status: { ...counted.status, freeCapacity: freeOf(status), lifecycle } };
  if (!connected) return after;
  const conditions = updateConditions('Dpu', status.conditions, [healthOf(after)], metadata.generation, now);
  return { ...after, status: { ...after.status, conditions } };
}

/** A DPU with how many of its functions ports have bound. */
export function withCounts(dpu: Dpu, { present: usedFunctions }: ClaimedFunctions): Dpu {
  const freeFunctions = Math.max(0, dpu.status.functions - usedFunctions);
  return { ...dpu, status: { ...dpu.status, usedFunctions, freeFunctions } };
}

const endingText = ({ tenant, name }: EndingWorkload): string => `workload ${tenant}/${name} (ending)`;

/** What its workloads leave of it; a machine may have become smaller than what they were promised. */
function freeOf({ capacity, usedCapacity }: Dpu['status']): DpuCapacity | undefined {
  if (capacity === undefined) return undefined;
  const left = (field: keyof DpuCapacity): number =>
    Math.max(0, capacity[field] - (usedCapacity?.[field] ?? 0));
  return { cpuMillicores: left('cpuMillicores'), memoryMebibytes: left('memoryMebibytes') };
}

/** What a DPU whose worker reports is. */
export function healthOf({ status }: Pick<Dpu, 'status'>): ConditionUpdateOf<'Dpu'> {
  if (!isAdmitted({ status })) {
    const message = `worker reports, but the DPU is ${status.lifecycle?.state}: ${status.lifecycle?.reason}`;
    return { type: 'Healthy', reason: 'NotAdmitted', message };
  }
  if (status.underlay && status.networkKept !== undefined) {
    const message = `its network configuration was deleted and is still in force: ${status.networkKept}`;
    return { type: 'Healthy', reason: 'NetworkKept', message };
  }
  return status.underlay
    ? { type: 'Healthy', reason: 'LeaseRenewed', message: 'worker reports' }
    : { type: 'Healthy', reason: 'UnderlayUnknown', message: 'worker reports, but finds no underlay' };
}

/** A DPU as it is now, from one that a version may have stored which knew of less. */
export function completeDpu(dpu: Dpu): Dpu {
  const { approved = undefined, lifecycle = DEFAULT_LIFECYCLE }: Partial<Dpu['spec']> = dpu.spec;
  const {
    usedFunctions = 0,
    freeFunctions = 0,
    uplinks = [],
    workloads = 0,
    endingWorkloads = [],
  }: Partial<Dpu['status']> = dpu.status;
  return {
    ...dpu,
    spec: { ...dpu.spec, approved, lifecycle: { ...DEFAULT_LIFECYCLE, ...lifecycle } },
    status: { ...dpu.status, usedFunctions, freeFunctions, uplinks, workloads, endingWorkloads },
  };
}
