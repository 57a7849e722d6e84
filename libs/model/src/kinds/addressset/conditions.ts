import type { Reasons } from '../../conditions.js';

export const ADDRESS_SET_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Applied: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    Applying: {
      status: 'False',
      text: 'A DPU has not applied the newest version yet: see status.propagated.',
    },
    DpuProblems: {
      status: 'False',
      text: 'A DPU could not apply it: the message names DPUs and the first reason.',
    },
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU on which a policy uses it, if any, has its addresses, and has read them back.',
    },
  },
} as const satisfies Reasons;
