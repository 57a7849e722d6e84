import type { Reasons } from '../../conditions.js';

export const SECURITY_POLICY_REASONS = {
  Accepted: {
    Valid: {
      status: 'True',
      text: 'The spec obeys every rule, is stored and planned for the ports it applies to.',
    },
  },
} as const satisfies Reasons;
