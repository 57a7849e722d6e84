import { invariant } from '@outboard/core';
import { formatTime, type LifecycleState, type LifecycleStatus } from '@outboard/model';
import type { LifecycleFacts, LifecycleMemory, Outcome } from './outcome.js';
import { STATES } from './states.js';

/** More than any way through the states that ends in waiting. */
const MAX_STEPS = 16;

type Transition = Extract<Outcome, { kind: 'transition' }>;

const UNKNOWN: LifecycleStatus = {
  state: 'DISCOVERED',
  reason: '',
  message: '',
  since: '',
  deadline: undefined,
  stuck: false,
  remaining: 0,
  remainingNames: [],
  rebootRequest: undefined,
  retryRequest: undefined,
  failedState: undefined,
  failures: 0,
  provisionedIncarnation: undefined,
  endingIncarnation: undefined,
};

/**
 * Where a DPU stands after everything that can happen now has happened; undefined: nothing of it is kept. The same facts
 * at the same time lead from there to there.
 *
 * @param before undefined: it is new.
 * @param now wall clock, milliseconds since the epoch.
 */
export function advance(
  before: LifecycleStatus | undefined,
  facts: LifecycleFacts & { readonly retryRequest: string | undefined },
  now: number,
): LifecycleStatus | undefined {
  let status =
    before ?? enter(UNKNOWN, { kind: 'transition', to: 'DISCOVERED', reason: '', message: '' }, facts, now);
  status = retried(withinClock(status, facts, now), facts, now);
  for (let step = 0; step < MAX_STEPS; step++) {
    const isOverdue = status.deadline !== undefined && now >= Date.parse(status.deadline);
    const { next, overdue } = STATES[status.state];
    const outcome = next(facts, { ...status, isOverdue });
    switch (outcome.kind) {
      case 'deleted':
        return undefined;
      case 'transition':
        status = enter(status, outcome, facts, now);
        break;
      default:
        if (!isOverdue || overdue !== 'fails') {
          return staying(status, outcome, facts, isOverdue && overdue === 'is stuck');
        }
        status = fail(status, outcome, facts, now);
    }
  }
  throw new Error(`a DPU does not come to rest: ${status.state}, ${status.reason}`);
}

/** Whether its worker has to say that everything is applied for it to get on. */
export const awaitsDocuments = ({ state, failedState }: LifecycleStatus): boolean =>
  state === 'PROVISIONING' || (state === 'FAILED' && failedState === 'PROVISIONING');

/** Whether the boot that it has is to be ended by its worker. */
export const awaitsBoot = ({ state, failedState }: LifecycleStatus): boolean =>
  state === 'REBOOTING' || (state === 'FAILED' && failedState === 'REBOOTING');

function enter(
  from: LifecycleStatus,
  { to, reason, message, noted }: Transition,
  facts: LifecycleFacts,
  now: number,
): LifecycleStatus {
  const status = {
    ...from,
    remaining: 0,
    remainingNames: [],
    failedState: undefined,
    ...noted,
    state: to,
    reason,
    message,
    since: formatTime(now),
    stuck: false,
  };
  return { ...status, deadline: deadlineOf(status, facts, now) };
}

function fail(
  from: LifecycleStatus,
  { message }: Extract<Outcome, { message: string }>,
  facts: LifecycleFacts,
  now: number,
): LifecycleStatus {
  const failedState: LifecycleState = from.state;
  const noted = { failures: from.failures + 1 };
  const failure: Transition = {
    kind: 'transition',
    to: 'FAILED',
    reason: TIMED_OUT[failedState] ?? '',
    message,
    noted,
  };
  invariant(failure.reason !== '', 'a state that fails has a reason for it');
  return { ...enter(from, failure, facts, now), failedState, stuck: true };
}

/** What it is called that a state has lasted too long. */
const TIMED_OUT: Readonly<Partial<Record<LifecycleState, string>>> = {
  PROVISIONING: 'ProvisioningTimedOut',
  DRAINING: 'DrainTimedOut',
  REBOOTING: 'RebootTimedOut',
};

function staying(
  status: LifecycleStatus,
  outcome: Extract<Outcome, { kind: 'wait' | 'done' }>,
  { remaining, remainingNames }: LifecycleFacts,
  isOverdue: boolean,
): LifecycleStatus {
  const isDraining = status.state === 'DRAINING' || status.failedState === 'DRAINING';
  return {
    ...status,
    reason: outcome.reason,
    message: outcome.message,
    stuck: status.state === 'FAILED' || isOverdue,
    remaining: isDraining ? remaining : 0,
    remainingNames: isDraining ? remainingNames : [],
    failures: outcome.kind === 'done' ? 0 : status.failures,
  };
}

/** A retry ends a failure, and gives every other state its whole time again. */
function retried(
  status: LifecycleStatus,
  facts: LifecycleFacts & { readonly retryRequest: string | undefined },
  now: number,
): LifecycleStatus {
  const { retryRequest } = facts;
  if (retryRequest === undefined || retryRequest === status.retryRequest) return status;
  const { state, failedState } = status;
  const asked = { ...status, retryRequest };
  if (state === 'FAILED' && failedState) {
    const again: Transition = {
      kind: 'transition',
      to: failedState,
      reason: 'TriedAgain',
      message: 'it is tried again',
    };
    return enter(asked, again, facts, now);
  }
  // What a retired DPU waits for cannot be tried.
  return state === 'RETIRED' ? asked : { ...asked, deadline: deadlineOf(asked, facts, now) };
}

/** A wall clock that was moved back must not make a state last longer than it may. */
function withinClock(status: LifecycleStatus, facts: LifecycleFacts, now: number): LifecycleStatus {
  const { since, deadline } = status;
  const latest = deadlineOf(status, facts, now);
  const isLate = deadline !== undefined && latest !== undefined && Date.parse(deadline) > Date.parse(latest);
  const isEarly = Date.parse(since) > now;
  if (!isLate && !isEarly) return status;
  return { ...status, since: isEarly ? formatTime(now) : since, deadline: isLate ? latest : deadline };
}

function deadlineOf(
  status: Pick<LifecycleMemory, 'state' | 'failures'>,
  facts: LifecycleFacts,
  now: number,
): string | undefined {
  const patience = STATES[status.state].patience(facts, status);
  return patience === undefined ? undefined : formatTime(now + patience);
}
