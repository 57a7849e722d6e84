import { NOT_PROPAGATED, type Reasons } from '../../conditions.js';

export const ADDRESS_SET_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Applied: {
    ...NOT_PROPAGATED,
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU on which a policy uses it, if any, has its addresses, and has read them back.',
    },
  },
} as const satisfies Reasons;
