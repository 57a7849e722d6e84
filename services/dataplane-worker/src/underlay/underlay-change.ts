import { AppError, type Clock, type Result } from '@outboard/core';
import type { Configuration, ConfigurationVersion } from './configuration.js';
import type { PendingChange } from './network-state.js';
import type { ObservedNetwork, Originals } from './observed-network.js';
import { type ChangePlan, planChange, planRestore, type Step } from './plan-change.js';
import { byKey, textOf } from './settings.js';

/** The network of the DPU as its kernel has it. */
export interface UnderlayKernel {
  observe(): Promise<ObservedNetwork>;
  /** Carries out steps in this order up to the first that is refused. Rejects with what the kernel says of that one. */
  apply(steps: readonly Step[]): Promise<void>;
  /** Tells of what changes from outside, unavoidably also of our own. */
  watch(onChange: () => void, isOfInterest: (device: string) => boolean): Disposable;
}

/** Whether the control plane can be reached, by a connection that is made for the question. */
export interface ControlPlane {
  /** The answer belongs to this change. Ends early when the signal aborts. */
  confirm(change: ConfigurationVersion, signal: AbortSignal): Promise<Result<void, AppError>>;
}

/** What a look at a change that was made says of it. */
type Verdict =
  | { readonly kind: 'good' }
  | { readonly kind: 'bad'; readonly why: string }
  /** Neither yet. */
  | { readonly kind: 'open'; readonly why: string };

/** Looks at the kernel until everything is as planned: removing an address takes others and routes along. */
const MAX_ROUNDS = 4;
const CONFIRM_PAUSE_MILLISECONDS = 500;

/** Until the kernel shows all of it (`isPartial`: that can be); a text: why it does not. */
export async function make(
  kernel: UnderlayKernel,
  configuration: Configuration,
  originals: Originals,
  { isPartial }: { readonly isPartial: boolean } = { isPartial: false },
): Promise<string | undefined> {
  for (let round = 0; ; round++) {
    const { problem, steps } = planChange(await kernel.observe(), configuration, originals);
    if (problem !== undefined && !isPartial) return problem.message;
    const [first] = steps;
    if (first === undefined) return undefined;
    if (round === MAX_ROUNDS)
      return `${textOf(first.setting)} does not ${first.action === 'set' ? 'stay' : 'go'}`;
    try {
      await kernel.apply(steps);
    } catch (failure) {
      return AppError.from(failure).message;
    }
  }
}

/**
 * Until the control plane has answered and the kernel still shows all of it; a text: why that was not so in time.
 *
 * @param end aborts when the worker ends.
 */
export async function confirmation(
  ports: { readonly kernel: UnderlayKernel; readonly controlPlane: ControlPlane; readonly clock: Clock },
  configuration: Configuration,
  originals: Originals,
  end: AbortSignal,
): Promise<string | undefined> {
  const { kernel, controlPlane, clock } = ports;
  const { confirmTimeoutSeconds } = configuration;
  const late = new AbortController();
  const alarm = clock.schedule(confirmTimeoutSeconds * 1_000, () => late.abort());
  const signal = AbortSignal.any([end, late.signal]);
  let last: Verdict = { kind: 'open', why: 'there was no answer' };
  while (!signal.aborted && last.kind === 'open') {
    const answer = await controlPlane.confirm(configuration, signal);
    const observed = await kernel.observe();
    last = judge(answer, planChange(observed, configuration, originals), observed);
    if (last.kind === 'open') await clock.delay(CONFIRM_PAUSE_MILLISECONDS, signal);
  }
  alarm[Symbol.dispose]();
  if (last.kind === 'good') return undefined;
  if (last.kind === 'bad') return last.why;
  return end.aborted
    ? 'the worker was stopped before the change was confirmed'
    : `the control plane was not reached in ${confirmTimeoutSeconds} s: ${last.why}`;
}

/** Until the kernel shows what was there before; a text: why it does not. */
export async function putBack(
  kernel: UnderlayKernel,
  { before, touched }: PendingChange,
): Promise<string | undefined> {
  let problem: string | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const steps = planRestore(await kernel.observe(), byKey(before), touched);
    const [first] = steps;
    if (first === undefined) return undefined;
    problem = textOf(first.setting);
    try {
      await kernel.apply(steps);
    } catch (failure) {
      problem = AppError.from(failure).message;
    }
  }
  return problem;
}

function judge(answer: Result<void, AppError>, plan: ChangePlan, observed: ObservedNetwork): Verdict {
  const [step] = plan.steps;
  if (plan.problem !== undefined) return { kind: 'bad', why: plan.problem.message };
  if (step !== undefined) return { kind: 'bad', why: `${textOf(step.setting)} did not last` };
  if (!answer.ok) return { kind: 'open', why: answer.error.message };
  return isSettled(plan, observed)
    ? { kind: 'good' }
    : { kind: 'open', why: 'addresses are still looked at for duplicates' };
}

/** No address is still looked at for duplicates. */
const isSettled = ({ goal }: ChangePlan, { settings }: ObservedNetwork): boolean =>
  [...goal.present.keys()].every((key) => {
    const setting = settings.get(key);
    return setting?.kind !== 'address' || setting.duplicates === undefined;
  });
