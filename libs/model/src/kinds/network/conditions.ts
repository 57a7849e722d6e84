import type { Reasons } from '../../conditions.js';

export const NETWORK_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    SegmentAllocated: { status: 'True', text: 'The network has a segment of its own.' },
    SegmentQuarantined: {
      status: 'False',
      text: 'A DPU has not confirmed yet that it let go of the segment, which was released before and is asked for.',
    },
  },
} as const satisfies Reasons;
