import type { LifecycleSpec, LifecycleState, LifecycleStatus } from '@outboard/model';

/** What a step is decided on: what is wanted, and what is so. Levels, not edges: an event that was missed is not missed. */
export interface LifecycleFacts
  extends Pick<LifecycleSpec, 'desired' | 'rebootRequest' | 'drainSeconds' | 'forceDrain'> {
  readonly approved: boolean;
  /** A boot that has registered holds its lease. */
  readonly connected: boolean;
  /** The boot that registered last. */
  readonly incarnation: string | undefined;
  /** That boot has applied and read back what it shall have. */
  readonly settled: boolean;
  /** Why the reboot that was asked for does not happen, as its worker says; empty: nothing is known of that. */
  readonly rebootProblem: string;
  /** Ports that name a function of it and workloads that run on it: how many, and the first of them. */
  readonly remaining: number;
  /** Of these. */
  readonly remainingWorkloads: number;
  /** Of these workloads, those that its worker was told to end, and has not confirmed to have ended. */
  readonly ending: number;
  readonly remainingNames: readonly string[];
}

/** What is remembered of a DPU between its steps. */
export interface LifecycleMemory extends LifecycleStatus {
  /** The deadline has passed. */
  readonly isOverdue: boolean;
}

type Noted = Partial<
  Pick<LifecycleStatus, 'rebootRequest' | 'provisionedIncarnation' | 'endingIncarnation' | 'failures'>
>;

/** What becomes of a DPU in a state. */
export type Outcome =
  /** It stays until something happens that the reason names. */
  | { readonly kind: 'wait'; readonly reason: string; readonly message: string }
  | {
      readonly kind: 'transition';
      readonly to: LifecycleState;
      readonly reason: string;
      readonly message: string;
      readonly noted?: Noted;
    }
  /** It is what it shall be. */
  | { readonly kind: 'done'; readonly reason: string; readonly message: string }
  /** Nothing of it is kept. */
  | { readonly kind: 'deleted'; readonly reason: string };

export const wait = (reason: string, message: string): Outcome => ({ kind: 'wait', reason, message });

export const done = (reason: string, message: string): Outcome => ({ kind: 'done', reason, message });

export const deleted = (reason: string): Outcome => ({ kind: 'deleted', reason });

export const transition = (
  to: LifecycleState,
  reason: string,
  message: string,
  noted: Noted = {},
): Outcome => ({ kind: 'transition', to, reason, message, noted });
