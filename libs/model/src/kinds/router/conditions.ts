import type { Reasons } from '../../conditions.js';

export const ROUTER_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    NextHopUnknown: {
      status: 'False',
      text: 'A next hop is in no subnet of a network of the router that has connected ports. Flows are shared by the others; without any, the destination is unreachable.',
    },
    Planned: { status: 'True', text: 'What every DPU needs for it is in their documents.' },
  },
  Applied: {
    NeverReported: { status: 'Unknown', text: 'Nothing has been asked of a DPU yet.' },
    Applying: { status: 'False', text: 'A DPU has not applied the newest version yet.' },
    DpuProblems: { status: 'False', text: 'A DPU could not apply all of it: see status.problems.' },
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU that routes for it has applied it and read it back.',
    },
  },
} as const satisfies Reasons;
