import type { Reasons } from '../../conditions.js';

export const FUNCTION_POOL_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Healthy: {
    NoDpu: { status: 'Unknown', text: 'No DPU is selected.' },
    BelowMinimum: {
      status: 'False',
      text: 'A DPU has fewer free functions than the minimum; those that can be made are being made.',
    },
    PhysicalFunctionMissing: {
      status: 'False',
      text: 'A DPU has fewer free functions than the minimum, and does not show the physical function that they would belong to.',
    },
    HostFunctionsMissing: {
      status: 'False',
      text: "A DPU has fewer free functions than the minimum, and nothing makes them: they are the host's (attachment HOST), whose driver has to make more. Of the flavour that the pool names, if it does.",
    },
    Exhausted: {
      status: 'False',
      text: 'A DPU has fewer free functions than the minimum, and as many in all as the maximum allows.',
    },
    Replenished: { status: 'True', text: 'Every selected DPU has the minimum of free functions.' },
  },
} as const satisfies Reasons;
