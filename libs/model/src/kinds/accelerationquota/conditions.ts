import type { Reasons } from '../../conditions.js';

export const ACCELERATION_QUOTA_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
} as const satisfies Reasons;
