import type { LifecycleState } from '@outboard/model';
import {
  deleted,
  done,
  type LifecycleFacts,
  type LifecycleMemory,
  type Outcome,
  transition,
  wait,
} from './outcome.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Tried again after this, twice that, and so on. */
const FIRST_RETRY = MINUTE;
const LONGEST_RETRY = HOUR;

interface StateRules {
  /** How long the state may last, milliseconds; undefined: as long as the lease is renewed. */
  readonly patience: (facts: LifecycleFacts, memory: Pick<LifecycleMemory, 'failures'>) => number | undefined;
  /** What a passed deadline means; `decides`: the state itself says. */
  readonly overdue: 'fails' | 'is stuck' | 'decides';
  readonly next: (facts: LifecycleFacts, memory: LifecycleMemory) => Outcome;
}

/** Every state: how long it may last, what its deadline means, and what is next. */
export const STATES: Readonly<Record<LifecycleState, StateRules>> = {
  DISCOVERED: { patience: () => DAY, overdue: 'is stuck', next: discovered },
  APPROVED: { patience: () => DAY, overdue: 'is stuck', next: approved },
  PROVISIONING: { patience: () => 10 * MINUTE, overdue: 'fails', next: provisioning },
  READY: { patience: () => undefined, overdue: 'decides', next: ready },
  DRAINING: { patience: ({ drainSeconds }) => drainSeconds * SECOND, overdue: 'fails', next: draining },
  MAINTENANCE: { patience: () => DAY, overdue: 'is stuck', next: maintenance },
  REBOOTING: { patience: () => 15 * MINUTE, overdue: 'fails', next: rebooting },
  UNREACHABLE: { patience: () => 5 * MINUTE, overdue: 'is stuck', next: unreachable },
  FAILED: { patience: (_, { failures }) => retryAfter(failures), overdue: 'decides', next: failed },
  RETIRED: { patience: () => 30 * DAY, overdue: 'decides', next: retired },
};

function retryAfter(failures: number): number {
  return Math.min(FIRST_RETRY * 2 ** Math.min(failures - 1, 10), LONGEST_RETRY);
}

function discovered({ approved, desired, connected }: LifecycleFacts): Outcome {
  if (desired === 'RETIRED') return transition('RETIRED', 'NothingRemains', 'it was never used');
  if (approved) return transition('APPROVED', 'Approved', 'it may be used');
  return connected
    ? wait('AwaitingApproval', 'its worker reports; set spec.approved for it to be used')
    : wait('AwaitingWorker', 'no worker has registered for it, and it is not approved');
}

function approved(facts: LifecycleFacts): Outcome {
  const left = taken(facts);
  if (left) return left;
  return facts.connected
    ? transition('PROVISIONING', 'WorkerRegistered', 'its worker has registered')
    : wait('AwaitingWorker', 'no worker has registered for it');
}

function provisioning(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  const left = taken(facts) ?? rebootInUse(facts, memory);
  if (left) return left;
  if (!facts.connected) return lost();
  if (!facts.settled) {
    return wait('AwaitingDocuments', 'its worker has not applied and read back everything yet');
  }
  const noted = { provisionedIncarnation: facts.incarnation };
  if (facts.desired === 'MAINTENANCE') return drain(noted);
  return transition('READY', 'Provisioned', READY_MESSAGE, noted);
}

const READY_MESSAGE = 'everything is applied and read back';

function ready(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  const left = taken(facts) ?? rebootInUse(facts, memory);
  if (left) return left;
  if (facts.desired === 'MAINTENANCE') return drain();
  if (!facts.connected) return lost();
  return rebooted(facts, memory) ?? done('Provisioned', READY_MESSAGE);
}

function draining(facts: LifecycleFacts): Outcome {
  const { approved: isApproved, desired, remaining, remainingWorkloads, connected } = facts;
  if (!isApproved) return disapproved();
  if (desired === 'READY') return transition('READY', 'DrainCancelled', 'it is to be used after all');
  if (isEmptied(facts)) return emptied(desired === 'RETIRED' ? 'RETIRED' : 'MAINTENANCE', facts);
  // Who retires a DPU knows that it may be dead.
  if (!connected && desired === 'MAINTENANCE') return lost();
  return wait(remaining > remainingWorkloads ? 'PortsRemain' : 'WorkloadsRemain', remainingText(facts));
}

/**
 * Nothing has to leave any more. That a program has ended its worker says alone: of a dead DPU that is not waited for by
 * who retires it or forces its drain.
 */
const isEmptied = ({ remaining, ending, connected, desired, forceDrain }: LifecycleFacts): boolean =>
  remaining === 0 || (remaining === ending && !connected && (desired === 'RETIRED' || forceDrain));

function remainingText({ remaining, remainingNames }: LifecycleFacts): string {
  const more = remaining - remainingNames.length;
  const names = remainingNames.join(', ');
  return `${remaining} to leave: ${more > 0 ? `${names} and ${more} more` : names}`;
}

const NOTHING_REMAINS = 'no port names a function of it, and no workload runs on it';

/** What a DPU is told to be that nothing has to leave any more. */
const rest = (facts: LifecycleFacts): readonly [reason: string, message: string] =>
  facts.ending === 0
    ? ['NothingRemains', NOTHING_REMAINS]
    : ['EndUnconfirmed', `its worker did not say that all has ended: ${remainingText(facts)}`];

const emptied = (to: 'MAINTENANCE' | 'RETIRED', facts: LifecycleFacts): Outcome =>
  transition(to, ...rest(facts));

/** It may be off: that it does not report is no news. */
function maintenance(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  if (facts.desired === 'READY' && facts.approved) {
    return transition('PROVISIONING', 'MaintenanceEnded', 'it is to be used again');
  }
  return taken(facts) ?? rebootOf(facts, memory) ?? done(...rest(facts));
}

function rebooting(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  const left = taken(facts);
  if (left) return left;
  const { incarnation, rebootRequest, rebootProblem } = facts;
  if (incarnation !== memory.endingIncarnation) {
    return transition('PROVISIONING', 'Rebooted', 'another boot has registered');
  }
  if (rebootRequest === undefined) {
    return transition('PROVISIONING', 'RebootWithdrawn', 'the reboot is not asked for any more');
  }
  if (rebootRequest !== memory.rebootRequest) return reboot(facts);
  return rebootProblem === ''
    ? wait('AwaitingBoot', 'the boot that was to end has not been followed by another')
    : wait('RebootByHand', `${BY_HAND}${rebootProblem}`);
}

const BY_HAND = 'its worker cannot reboot it: ';

/** Why its worker cannot reboot it, as far as it has told; empty: it did not. */
export const toldRebootProblem = ({ message }: Pick<LifecycleMemory, 'message'>): string =>
  message.startsWith(BY_HAND) ? message.slice(BY_HAND.length) : '';

function unreachable(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  const left = taken(facts) ?? rebootOf(facts, memory);
  if (left) return left;
  if (facts.connected) return transition('PROVISIONING', 'LeaseRenewed', 'its worker reports again');
  if (facts.desired !== 'MAINTENANCE') return wait('LeaseExpired', LOST_MESSAGE);
  return isEmptied(facts)
    ? emptied('MAINTENANCE', facts)
    : wait('LeaseExpired', `${LOST_MESSAGE}; ${remainingText(facts)}`);
}

/** A failure is over when what was waited for happens; besides, the state is tried again: after a while, or when asked. */
function failed(facts: LifecycleFacts, memory: LifecycleMemory): Outcome {
  const state = memory.failedState ?? 'PROVISIONING';
  const outcome = STATES[state].next(facts, memory);
  if (outcome.kind === 'transition') return outcome;
  if (memory.isOverdue) return transition(state, 'TriedAgain', 'it is tried again');
  return wait(memory.reason, 'message' in outcome ? outcome.message : memory.message);
}

function retired({ desired }: LifecycleFacts, { isOverdue }: LifecycleMemory): Outcome {
  if (desired !== 'RETIRED') return transition('DISCOVERED', 'Reinstated', 'it is to be used again');
  return isOverdue ? deleted('RetentionEnded') : done('Retired', 'it gets nothing any more');
}

/** Away from being used, for good. */
function taken({ approved: isApproved, desired }: LifecycleFacts): Outcome | undefined {
  if (!isApproved) return disapproved();
  return desired === 'RETIRED'
    ? transition('DRAINING', 'RetirementWanted', 'what is on it has to leave')
    : undefined;
}

const disapproved = (): Outcome => transition('DISCOVERED', 'ApprovalWithdrawn', 'it must not be used');

const drain = (noted: { readonly provisionedIncarnation?: string | undefined } = {}): Outcome =>
  transition('DRAINING', 'MaintenanceWanted', 'what is on it has to leave', noted);

const LOST_MESSAGE = 'its worker does not report; what it has applied is left as it was';
const lost = (): Outcome => transition('UNREACHABLE', 'LeaseExpired', LOST_MESSAGE);

/** The kernel state of the former boot is gone, also when nobody asked for that. */
const rebooted = (facts: LifecycleFacts, memory: LifecycleMemory): Outcome | undefined =>
  facts.incarnation === memory.provisionedIncarnation
    ? undefined
    : transition('PROVISIONING', 'Rebooted', 'another boot has registered');

const rebootOf = (facts: LifecycleFacts, memory: LifecycleMemory): Outcome | undefined =>
  facts.rebootRequest === undefined || facts.rebootRequest === memory.rebootRequest
    ? undefined
    : reboot(facts);

/** Whoever wants maintenance besides wants what is on it to leave first. */
const rebootInUse = (facts: LifecycleFacts, memory: LifecycleMemory): Outcome | undefined =>
  facts.desired === 'READY' ? rebootOf(facts, memory) : undefined;

const reboot = ({ rebootRequest, incarnation }: LifecycleFacts): Outcome =>
  transition('REBOOTING', 'RebootRequested', 'a reboot is asked for', {
    rebootRequest,
    endingIncarnation: incarnation,
  });
