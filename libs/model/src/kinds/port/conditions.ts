import type { Reasons } from '../../conditions.js';

export const PORT_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored; addresses are allocated.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    Planned: { status: 'True', text: 'What every DPU needs for it is in their documents.' },
    NoFunction: {
      status: 'False',
      text: 'The spec names no function: the port is reserved, connected to nothing.',
    },
    ParentNotConnected: {
      status: 'False',
      text: 'The port that it is a VLAN of is on no DPU (its condition Planned tells why), or administratively down.',
    },
    FunctionUnknown: { status: 'False', text: 'No DPU has shown the function yet.' },
    DpuUnschedulable: {
      status: 'False',
      text: 'The DPU takes no new ports: it is to be in maintenance, or retired.',
    },
    RepresentorUnknown: { status: 'False', text: 'The function is known, its representor is not yet.' },
    UnderlayUnknown: { status: 'False', text: 'The DPU has not told where its tunnels end.' },
    UnderlayTooSmall: {
      status: 'False',
      text: "The DPU's underlay cannot carry packets of the network's MTU.",
    },
    NotAttached: {
      status: 'False',
      text: "The DPU has no uplink to the network's physical network, or it is another physical network's.",
    },
    EncapsulationUnsupported: {
      status: 'False',
      text: "The DPU's dataplane cannot encapsulate as the network is: its capabilities tell why.",
    },
    TrunkUnsupported: {
      status: 'False',
      text: "The DPU's dataplane cannot connect ports as VLANs of others: its capability trunk tells why.",
    },
    ParentMtuTooSmall: {
      status: 'False',
      text: "The network's MTU is more than that of the parent's network, which is that of the function.",
    },
    NoHardware: { status: 'False', text: 'Offload is REQUIRED and the DPU has no hardware for it.' },
    AddressQuarantined: {
      status: 'False',
      text: 'A DPU has not confirmed yet that it let go of an address that was released before and is asked for.',
    },
    SegmentQuarantined: {
      status: 'False',
      text: "A DPU has not confirmed yet that it let go of the network's segment, which was released before.",
    },
  },
  Applied: {
    NeverReported: { status: 'Unknown', text: 'The DPU has not reported on it.' },
    Stale: { status: 'Unknown', text: 'The DPU has restarted and not reported since.' },
    NotPlanned: { status: 'False', text: 'Nothing is asked of a DPU: see Planned.' },
    Applying: { status: 'False', text: 'The DPU has not applied the newest version yet.' },
    Blocked: { status: 'False', text: 'It waits on the DPU for something that is missing there.' },
    Failed: { status: 'False', text: 'The dataplane refused it, or acknowledged what it then did not show.' },
    ForeignObject: { status: 'False', text: 'Something that is not ours stands in its place.' },
    Unsupported: { status: 'False', text: "The DPU's driver cannot realise it." },
    NotInHardware: {
      status: 'False',
      text: 'The DPU has applied it, but not in hardware, and offload is REQUIRED: status.offload tells why.',
    },
    AppliedAndReadBack: { status: 'True', text: 'The DPU has applied it and read it back.' },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'Nothing is known of the DPU.' },
    DpuReachable: { status: 'True', text: 'The worker of the DPU reports.' },
    DpuUnreachable: {
      status: 'Unknown',
      text: 'The worker of the DPU does not report; the dataplane stays as it was.',
    },
  },
} as const satisfies Reasons;
