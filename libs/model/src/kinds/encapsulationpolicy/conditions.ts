import type { Reasons } from '../../conditions.js';

export const ENCAPSULATION_POLICY_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is in force.' },
  },
} as const satisfies Reasons;
