import type { Reasons } from '../../conditions.js';

export const SECURITY_POLICY_REASONS = {
  Accepted: {
    Valid: {
      status: 'True',
      text: 'The spec obeys every rule, is stored and planned for the ports it applies to.',
    },
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
      text: 'Every DPU that has ports it applies to, if any, has its rules, and has read them back.',
    },
  },
} as const satisfies Reasons;
