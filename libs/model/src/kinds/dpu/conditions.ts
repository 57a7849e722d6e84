import { findCondition, type Reasons } from '../../conditions.js';
import type { Dpu } from './spec.js';

export const DPU_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'No worker has registered for it yet.' },
    LeaseRenewed: { status: 'True', text: 'Its worker reports.' },
    UnderlayUnknown: {
      status: 'False',
      text: 'Its worker reports, but finds no address that tunnels can start from; other DPUs go on with the last one.',
    },
    LeaseExpired: {
      status: 'False',
      text: 'Its worker does not report any more; what it has applied is left as it was.',
    },
  },
} as const satisfies Reasons;

/** Its worker holds its lease, whatever else it lacks. */
export function isConnected({ status }: Dpu): boolean {
  const reason = findCondition(status.conditions, 'Healthy')?.reason;
  return reason === 'LeaseRenewed' || reason === 'UnderlayUnknown';
}
