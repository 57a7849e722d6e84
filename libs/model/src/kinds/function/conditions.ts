import type { Reasons } from '../../conditions.js';

export const FUNCTION_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'No DPU has shown it yet.' },
    Discovered: { status: 'True', text: 'Its DPU has it.' },
    FunctionVanished: {
      status: 'False',
      text: 'Its DPU has it no more; it is kept for the port that has bound it, or for its labels or pool.',
    },
  },
} as const satisfies Reasons;
