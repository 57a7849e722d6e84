import { NOT_PROPAGATED, type Reasons } from '../../conditions.js';

export const ACCELERATION_KEY_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Applied: {
    ...NOT_PROPAGATED,
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU that should have it, if any, has opened it.',
    },
  },
} as const satisfies Reasons;
