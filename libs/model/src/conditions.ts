/** The closed set of condition types, in the order in which an intent passes them. */
export const CONDITION_TYPES = ['Accepted', 'Planned', 'Applied', 'Healthy', 'Ready'] as const;

export type ConditionType = (typeof CONDITION_TYPES)[number];

/** Types that somebody sets; `Ready` is computed from them. */
export type SetConditionType = Exclude<ConditionType, 'Ready'>;

export type ConditionStatus = 'True' | 'False' | 'Unknown';

/** metav1.Condition. At most one of each type on a resource, in the order of `CONDITION_TYPES`. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: ConditionStatus;
  readonly reason: string;
  /** For people; stable text without times. */
  readonly message: string;
  readonly observedGeneration: number;
  /** RFC 3339 in UTC with seconds: when `status` last changed. */
  readonly lastTransitionTime: string;
}

/** A reason, the status that it means, and what it tells people. */
export interface ReasonDescription {
  readonly status: ConditionStatus;
  readonly text: string;
}

/**
 * The closed reasons of a kind, by condition type. A type that is listed here is part of every resource of the kind
 * and must be True for it to be Ready. Until somebody sets the condition its first reason with status Unknown holds, or
 * its first reason where none is Unknown (what is stored has been accepted).
 */
export type Reasons = Readonly<
  Partial<Record<SetConditionType, Readonly<Record<string, ReasonDescription>>>>
>;

/** Reasons of `Applied` while not every DPU that `status.propagated` counts has an object, and read it back. */
export const NOT_PROPAGATED = {
  Pending: { status: 'Unknown', text: 'Not planned yet.' },
  Applying: {
    status: 'False',
    text: 'A DPU has not applied the newest version yet: see status.propagated.',
  },
  DpuProblems: {
    status: 'False',
    text: 'A DPU could not apply it: the message names DPUs and the first reason.',
  },
} as const satisfies Readonly<Record<string, ReasonDescription>>;

/** A condition as it is set: the status follows from the reason. Distributes over the types and reasons of a kind. */
export type ConditionUpdate<KindReasons extends Reasons> = {
  [Type in keyof KindReasons]: {
    readonly type: Type;
    readonly reason: keyof KindReasons[Type] & string;
    readonly message: string;
  };
}[keyof KindReasons];

/** The condition of that type. */
export const findCondition = (conditions: readonly Condition[], type: ConditionType): Condition | undefined =>
  conditions.find((condition) => condition.type === type);

export const isReady = (conditions: readonly Condition[]): boolean =>
  findCondition(conditions, 'Ready')?.status === 'True';

/**
 * What a change of conditions means to those who follow a resource: it has become ready, or is not any more, or is not
 * for another reason than before. `before` undefined: it is new, which is no news of its readiness unless it is ready.
 */
export function readinessTransition(
  before: readonly Condition[] | undefined,
  after: readonly Condition[],
): 'ready' | 'notready' | undefined {
  const was = before && findCondition(before, 'Ready');
  const is = findCondition(after, 'Ready');
  if (is?.status === 'True') return was?.status === 'True' ? undefined : 'ready';
  return was === undefined || was.reason === is?.reason ? undefined : 'notready';
}

/**
 * The conditions after these updates, complete and with `Ready` computed: True when all others are, with reason and
 * message of `Applied` (or of the last, in kinds without it); otherwise with those of the first that is not True.
 * What does not change keeps its identity and its time: the same updates twice give the very same conditions.
 *
 * @param now milliseconds since the epoch.
 */
export function computeConditions(
  reasons: Reasons,
  before: readonly Condition[],
  updates: readonly { readonly type: SetConditionType; readonly reason: string; readonly message: string }[],
  observedGeneration: number,
  now: number,
): readonly Condition[] {
  const after: Condition[] = [];
  for (const type of CONDITION_TYPES) {
    if (type === 'Ready') continue;
    const known = reasons[type];
    if (known === undefined) continue;
    const previous = findCondition(before, type);
    const update = updates.findLast((candidate) => candidate.type === type);
    if (update === undefined && previous !== undefined) {
      after.push(previous);
      continue;
    }
    const reason = update?.reason ?? initialReason(known);
    const description = known[reason];
    if (description === undefined) throw new Error(`${reason} is no reason of ${type}`);
    const { status } = description;
    const message = update?.message ?? description.text;
    after.push(settle(previous, { type, status, reason, message, observedGeneration }, now));
  }
  const decisive =
    after.find(({ status }) => status !== 'True') ?? findCondition(after, 'Applied') ?? after.at(-1);
  if (decisive !== undefined) {
    after.push(settle(findCondition(before, 'Ready'), { ...decisive, type: 'Ready' }, now));
  }
  const same =
    after.length === before.length && after.every((condition, index) => condition === before[index]);
  return same ? before : after;
}

/** RFC 3339 in UTC with seconds, the form of times in conditions. */
export function formatTime(milliseconds: number): string {
  if (milliseconds !== formatted.milliseconds) {
    formatted = { milliseconds, text: new Date(milliseconds).toISOString().replace(/\.\d{3}Z$/, 'Z') };
  }
  return formatted.text;
}

/** The time that was formatted last: decisions of one moment set many conditions. */
let formatted = { milliseconds: Number.NaN, text: '' };

function settle(
  previous: Condition | undefined,
  next: Omit<Condition, 'lastTransitionTime'>,
  now: number,
): Condition {
  if (previous?.status !== next.status) return { ...next, lastTransitionTime: formatTime(now) };
  const { lastTransitionTime } = previous;
  const unchanged =
    previous.reason === next.reason &&
    previous.message === next.message &&
    previous.observedGeneration === next.observedGeneration;
  return unchanged ? previous : { ...next, lastTransitionTime };
}

const initialReason = (known: Readonly<Record<string, ReasonDescription>>): string => {
  const reasons = Object.keys(known);
  return reasons.find((reason) => known[reason]?.status === 'Unknown') ?? reasons[0] ?? '';
};
