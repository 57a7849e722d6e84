import type { Reasons } from '../../conditions.js';

export const DPU_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'No worker has registered for it yet.' },
    LeaseRenewed: { status: 'True', text: 'Its worker reports.' },
    LeaseExpired: {
      status: 'False',
      text: 'Its worker does not report any more; what it has applied is left as it was.',
    },
  },
} as const satisfies Reasons;
