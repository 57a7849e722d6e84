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
  Applied: {
    NoProblem: {
      status: 'True',
      text: 'No DPU has told a problem with what it has of the network. Whether a port is applied, the port tells.',
    },
    Blocked: { status: 'False', text: 'On some DPUs it waits for something that is missing there.' },
    Failed: {
      status: 'False',
      text: 'The dataplane of some DPUs refused it, or acknowledged what it then did not show.',
    },
    ForeignObject: { status: 'False', text: 'On some DPUs something that is not ours stands in its place.' },
    Unsupported: { status: 'False', text: 'The driver of some DPUs cannot realise it.' },
  },
} as const satisfies Reasons;
