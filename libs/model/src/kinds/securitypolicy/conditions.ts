import { NOT_PROPAGATED, type Reasons } from '../../conditions.js';

export const SECURITY_POLICY_REASONS = {
  Accepted: {
    Valid: {
      status: 'True',
      text: 'The spec obeys every rule, is stored and planned for the ports it applies to.',
    },
  },
  Applied: {
    ...NOT_PROPAGATED,
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU that has ports it applies to, if any, has its rules, and has read them back.',
    },
  },
} as const satisfies Reasons;
