import type { Configuration } from './configuration.js';
import { canBe, devicesOfSetting, GoalDraft } from './goal-draft.js';
import type { ObservedNetwork, Originals, PlanProblem } from './observed-network.js';
import { keyOf, type Setting, type Settings, satisfies } from './settings.js';

/** One change to the kernel. */
export type Step =
  | { readonly action: 'set'; readonly setting: Setting }
  | { readonly action: 'remove'; readonly setting: Setting };

export interface ChangePlan {
  /** The first of what cannot be made so; the steps are to all the rest. */
  readonly problem: PlanProblem | undefined;
  readonly steps: readonly Step[];
  /** All that is set or taken away once it is done, already so or not. */
  readonly goal: Goal;
  /** What was there before of all that the configuration has a say in. */
  readonly originals: Originals;
}

/** What is to be there, and what is not. */
export interface Goal {
  readonly present: Settings;
  readonly absent: ReadonlySet<string>;
}

/**
 * How a DPU's network becomes what a configuration says. What an earlier one has set (`originals` tells what was there
 * before that) and this one does not is given back.
 */
export function planChange(
  observed: ObservedNetwork,
  configuration: Configuration,
  originals: Originals,
): ChangePlan {
  const draft = new GoalDraft(observed, configuration);
  draft.wantInterfaces();
  draft.giveBack(originals);
  draft.wantRoutes();
  const { present, absent, problem } = draft;
  const goal = { present, absent };
  const claimed = [...present.keys(), ...absent].filter((key) => draft.isClaimed(key));
  return {
    problem,
    steps: stepsTo(goal, observed.settings),
    goal,
    originals: new Map([
      ...claimed.map((key) => [key, observed.settings.get(key) ?? null] as const),
      ...[...originals].filter(([key]) => draft.isClaimed(key) || draft.impossible.has(key)),
    ]),
  };
}

/** The devices that are to be as they are wanted. */
export const devicesOfGoal = ({ present }: Goal): readonly string[] => [
  ...new Set([...present.values()].flatMap(devicesOfSetting)),
];

/** What may change with these: the settings themselves, and all of the devices that they are of. */
export function affectedBy(
  settings: Settings,
  touched: Iterable<string>,
  steps: readonly Step[],
): readonly Setting[] {
  const keys = new Set(touched);
  const devices = new Set(steps.flatMap(({ setting }) => devicesOfSetting(setting)));
  return [...settings.values()].filter(
    (setting) => keys.has(keyOf(setting)) || devicesOfSetting(setting).some((device) => devices.has(device)),
  );
}

/** How what was there before comes back: all of `before`, and nothing under the keys of `touched` that was not there. */
export function planRestore(
  observed: ObservedNetwork,
  before: Settings,
  touched: Iterable<string>,
): readonly Step[] {
  const absent = new Set([...touched].filter((key) => !before.has(key)));
  const present = new Map([...before].filter(([, setting]) => canBe(setting, observed)));
  return stepsTo({ present, absent }, observed.settings);
}

/** Order of changes: what is needed comes before what needs it, and goes after it. */
export function stepsTo({ present, absent }: Goal, observed: Settings): readonly Step[] {
  const sets = [...present.values()].filter((setting) => !satisfies(observed.get(keyOf(setting)), setting));
  const removals = [...absent].flatMap((key) => observed.get(key) ?? []);
  const steps: Step[] = [
    ...sets.map((setting) => ({ action: 'set' as const, setting })),
    ...removals.map((setting) => ({ action: 'remove' as const, setting })),
  ];
  return steps.sort((one, other) => rankOf(one) - rankOf(other));
}

function rankOf({ action, setting }: Step): number {
  if (setting.kind === 'state') return setting.up ? 0 : 6;
  const rank = { mtu: 1, master: 1, address: 2, route: 3 }[setting.kind];
  return action === 'set' ? rank : 7 - rank;
}
