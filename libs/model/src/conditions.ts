/** The closed set of condition types, in the order in which an intent passes them. */
export const CONDITION_TYPES = ['Accepted', 'Planned', 'Applied', 'Healthy', 'Ready'] as const;

export type ConditionType = (typeof CONDITION_TYPES)[number];

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
