import { findCondition, type Reasons } from '../../conditions.js';
import type { Dpu } from './spec.js';

export const DPU_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'No worker has registered for it yet.' },
    NotAdmitted: {
      status: 'False',
      text: 'Its worker reports, but it is not approved, or it is retired: it gets nothing. See status.lifecycle.',
    },
    LeaseRenewed: { status: 'True', text: 'Its worker reports.' },
    UnderlayUnknown: {
      status: 'False',
      text: 'Its worker reports, but finds no address that tunnels can start from; other DPUs go on with the last one.',
    },
    NetworkKept: {
      status: 'False',
      text: 'Its worker reports, but its network is still that of a configuration that was deleted: giving it back did not hold. See status.networkKept.',
    },
    LeaseExpired: {
      status: 'False',
      text: 'Its worker does not report any more; what it has applied is left as it was.',
    },
  },
} as const satisfies Reasons;

const CONNECTED: ReadonlySet<string> = new Set<keyof typeof DPU_REASONS.Healthy>([
  'LeaseRenewed',
  'UnderlayUnknown',
  'NetworkKept',
  'NotAdmitted',
]);

/** Its worker holds its lease, whatever else it lacks. */
export function isConnected({ status }: Dpu): boolean {
  const reason = findCondition(status.conditions, 'Healthy')?.reason;
  return reason !== undefined && CONNECTED.has(reason);
}

/** Whether it is part of the fleet, so that owners make documents for it: approved, and not retired. */
export function isAdmitted({ status }: Pick<Dpu, 'status'>): boolean {
  return status.lifecycle?.state !== 'DISCOVERED' && !isRetired({ status });
}

/** It gets nothing any more. */
export function isRetired({ status }: Pick<Dpu, 'status'>): boolean {
  return status.lifecycle?.state === 'RETIRED';
}

/** Whether a workload that is there may stay for now: it is not drained, or not to the end. */
export function keepsWorkloads(dpu: Dpu): boolean {
  const { desired, forceDrain } = dpu.spec.lifecycle;
  if (desired === 'READY') return true;
  // Whoever gives up a dead DPU waits for nothing that runs there.
  if (forceDrain || (desired === 'RETIRED' && !isConnected(dpu))) return false;
  const { state, failedState } = dpu.status.lifecycle ?? {};
  return state !== 'MAINTENANCE' && !(state === 'FAILED' && failedState === 'DRAINING');
}

/** Whether something new may be placed on it; what is there stays. */
export function isSchedulable({ spec, status }: Pick<Dpu, 'spec' | 'status'>): boolean {
  return isAdmitted({ status }) && spec.lifecycle.desired === 'READY';
}
