import type { Reasons } from '../../conditions.js';

export const DPU_NETWORK_CONFIGURATION_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Applied: {
    Pending: { status: 'Unknown', text: 'No worker of a DPU of this name has registered yet.' },
    Applying: { status: 'False', text: 'The DPU has not confirmed the newest generation yet.' },
    Waiting: {
      status: 'False',
      text: 'The DPU waits for what the message names, a device or the control plane for example; a change has not begun.',
    },
    RolledBack: {
      status: 'False',
      text: 'The change was made and did not hold; what was there before is back. It is not tried again until there is a new generation.',
    },
    Failed: { status: 'False', text: 'The DPU cannot be so, for the reason in the message.' },
    Confirmed: {
      status: 'True',
      text: 'Applied, read back, and confirmed by the control plane over a connection that was made after it.',
    },
  },
} as const satisfies Reasons;
