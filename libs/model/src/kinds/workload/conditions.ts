import type { Reasons } from '../../conditions.js';

export const WORKLOAD_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not placed yet.' },
    Placed: { status: 'True', text: 'It has a DPU with room for it, and its ports are there.' },
    DpuUnknown: { status: 'False', text: 'There is no DPU of that name, or none with those labels.' },
    DpuUnavailable: {
      status: 'False',
      text: 'No DPU that it may run on takes workloads now: it does not report, leaves service, or has no container runtime.',
    },
    InsufficientResources: {
      status: 'False',
      text: 'No DPU that it may run on has room: the message has the numbers.',
    },
    PortsMissing: {
      status: 'False',
      text: 'A port of its interfaces does not exist, has no function of its DPU with attachment DPU, or belongs to another workload.',
    },
  },
  Healthy: {
    NeverReported: { status: 'Unknown', text: 'Its DPU has not told of it yet.' },
    Running: { status: 'True', text: 'It runs, and its readiness probe succeeds; or it has done its work.' },
    Starting: { status: 'False', text: 'It is being started.' },
    NotReady: { status: 'False', text: 'It runs, but its readiness probe fails: the message says how.' },
    BackingOff: { status: 'False', text: 'It has ended and is started again after a pause.' },
    CrashLoop: { status: 'False', text: 'It ends again and again soon after its start.' },
    Failed: { status: 'False', text: 'It has ended with an error and is not started again.' },
    Stopping: { status: 'False', text: 'It is being stopped.' },
    CannotStart: { status: 'False', text: 'Its DPU cannot start it: the message says why.' },
    DpuUnreachable: { status: 'False', text: 'Nobody knows: the lease of its DPU has expired.' },
  },
} as const satisfies Reasons;
