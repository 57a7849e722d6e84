import type { Reasons } from '../../conditions.js';

export const NETLINK_OBJECT_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    Conflict: {
      status: 'False',
      text: 'Something of layer 2 or 3 that came later has its place; the object is on no DPU until that is gone.',
    },
    NextHopUnknown: {
      status: 'False',
      text: 'No next hop is in a subnet of a network of the router that has connected ports. The object is on no DPU.',
    },
    PortNotConnected: {
      status: 'False',
      text: 'The port does not exist, is of another network, or is on no DPU. Neither is the object.',
    },
    NotRouted: {
      status: 'False',
      text: 'The network has no gateway here, whose device could have the address. The object is on no DPU.',
    },
    DpuNotConcerned: {
      status: 'False',
      text: 'DPUs that spec.dpus names do not have the network, or do not route for the router. The others have the object.',
    },
    Planned: { status: 'True', text: 'It is in the documents of all DPUs that shall have it.' },
  },
  Applied: {
    NeverReported: { status: 'Unknown', text: 'Nothing has been asked of a DPU yet.' },
    Applying: { status: 'False', text: 'A DPU has not applied the newest version yet.' },
    DpuProblems: { status: 'False', text: 'A DPU could not apply it: see status.problems.' },
    AppliedAndReadBack: {
      status: 'True',
      text: 'Every DPU that shall have it has applied it and read it back.',
    },
  },
} as const satisfies Reasons;
