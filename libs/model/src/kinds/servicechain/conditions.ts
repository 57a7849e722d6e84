import { NOT_PROPAGATED, type Reasons } from '../../conditions.js';

export const SERVICE_CHAIN_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Planned: { status: 'True', text: 'Every steered port has all hops on its DPU.' },
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    HopNotConnected: {
      status: 'False',
      text: 'A port of a hop is on no DPU or administratively down: the hop counts as down.',
    },
    HopElsewhere: {
      status: 'False',
      text: 'Steered ports are on another DPU than a hop: there the hop counts as down. The message names the hop and its DPU, and the ports and theirs.',
    },
    Overlap: {
      status: 'False',
      text: 'Another chain, which goes before it, has ports of it and a part of its destination.',
    },
  },
  Applied: {
    ...NOT_PROPAGATED,
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU that has steered ports, if any, has it, and has read back what steers them.',
    },
  },
} as const satisfies Reasons;
