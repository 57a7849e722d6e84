import type { Reasons } from '../../conditions.js';

export const NETWORK_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    SegmentAllocated: { status: 'True', text: 'The network has a segment of its own.' },
  },
} as const satisfies Reasons;
