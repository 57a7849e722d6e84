import type { Reasons } from '../../conditions.js';

export const ACCELERATION_SESSION_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not planned yet.' },
    Placed: { status: 'True', text: 'It has a place: see status.dpu.' },
    NoToken: { status: 'False', text: 'Nobody has a token for it: ask for one, or tell the digest of one.' },
    KeyMissing: {
      status: 'False',
      text: 'A key that a program names is not there, or is for something else; where it is placed, jobs with it fail.',
    },
    KeyUnavailable: {
      status: 'False',
      text: 'No DPU that fits can open all keys that its programs name.',
    },
    PortNotPlaced: {
      status: 'False',
      text: "The holder's port is not there, on no DPU yet, or on one that is not known yet.",
    },
    HolderMismatch: {
      status: 'False',
      text: "The holder's port was made for another pod than the holder's: nobody can connect until that is mended.",
    },
    PortDeleted: {
      status: 'False',
      text: "The holder's port was deleted, and the session with it: the last that is told of it.",
    },
    TtlOver: { status: 'False', text: 'Its ttl is over, and it with that: the last that is told of it.' },
    LeaseOver: {
      status: 'False',
      text: 'It had no connection for as long as its lease, and is no more: the last that is told of it.',
    },
    Unsupported: { status: 'False', text: 'No DPU that it may be on can do all its programs.' },
    NoHardware: {
      status: 'False',
      text: 'Offload is REQUIRED and no DPU that it may be on does all its programs in hardware.',
    },
    OnlyHardware: {
      status: 'False',
      text: 'Offload is NEVER and no DPU that it may be on does all its programs in software.',
    },
    DpuStalled: {
      status: 'False',
      text: 'A thread of the DPU that it is on stands still, and no other one fits; or one of every DPU that fits does.',
    },
    DpuFull: { status: 'False', text: 'Every DPU that fits has as many sessions as it may.' },
    DpuUnreachable: {
      status: 'False',
      text: 'The DPU that it is on does not report or is being emptied, and no other one fits; or none that fits reports.',
    },
  },
  Applied: {
    NeverReported: { status: 'Unknown', text: 'The DPU has not reported on it.' },
    NotPlanned: { status: 'False', text: 'Nothing is asked of a DPU: see Planned.' },
    Applying: { status: 'False', text: 'The DPU does not serve the newest version yet.' },
    Moved: {
      status: 'False',
      text: 'It has moved, and its new DPU does not serve it yet; the message tells whence and why.',
    },
    Blocked: { status: 'False', text: 'It waits on the DPU for something that is missing there.' },
    Failed: { status: 'False', text: 'The DPU refuses to serve it.' },
    Serving: { status: 'True', text: 'The DPU serves it: its sockets are there.' },
  },
} as const satisfies Reasons;
