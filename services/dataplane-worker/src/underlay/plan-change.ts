import type { Configuration } from './configuration.js';
import { isWithin } from './prefixes.js';
import {
  byKey,
  keyOf,
  metricOf,
  type RouteSetting,
  routeKey,
  type Setting,
  type Settings,
  satisfies,
} from './settings.js';

/** Every device has this network (RFC 4291 section 2.5.6). */
const LINK_LOCAL = 'fe80::/10';

/** What there is of a DPU's network. */
export interface ObservedNetwork {
  /** Every device of the DPU by its name. */
  readonly devices: ReadonlyMap<string, ObservedDevice>;
  /** Of all devices; of addresses and routes, those that the kernel has not made itself. */
  readonly settings: Settings;
}

export interface ObservedDevice {
  /** Bytes; undefined: the device does not say. */
  readonly minimumMtu: number | undefined;
  readonly maximumMtu: number | undefined;
  /** What is made of it here besides; undefined: nothing. */
  readonly usedFor: string | undefined;
}

/** One change to the kernel. */
export type Step =
  | { readonly action: 'set'; readonly setting: Setting }
  | { readonly action: 'remove'; readonly setting: Setting };

/** What was there before a configuration set something else; null: nothing. */
export type Originals = ReadonlyMap<string, Setting | null>;

/** Why a configuration cannot be made so at present. `waits`: something that may come is missing. */
export interface PlanProblem {
  readonly waits: boolean;
  readonly message: string;
}

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
  let problem: PlanProblem | undefined;
  const note = (found: PlanProblem | undefined): boolean => {
    problem ??= found;
    return found === undefined;
  };
  const interfaces = interfaceSettings(configuration);
  const present = new Map([...interfaces].filter(([, setting]) => note(settingProblem(setting, observed))));
  const absent = new Set<string>();
  for (const { device, exclusiveAddresses } of configuration.interfaces) {
    if (!exclusiveAddresses) continue;
    for (const [key, setting] of observed.settings)
      if (setting.kind === 'address' && setting.device === device && !present.has(key)) absent.add(key);
  }
  const isGivenBack = ([key]: readonly [string, unknown]): boolean =>
    !isClaimed(key, configuration, interfaces);
  const kept = new Map([...originals].filter((entry) => !isGivenBack(entry)));
  const giveBack = (key: string, original: Setting | null, isPossible: boolean): void => {
    if (original !== null && isPossible) present.set(key, original);
    else absent.add(key);
    // What cannot be now may be later.
    if (original !== null && !isPossible) kept.set(key, original);
  };
  const given = [...originals].filter(isGivenBack);
  const isRoute = ([key]: readonly [string, unknown]): boolean => key.startsWith('route/');
  for (const [key, original] of given.filter((entry) => !isRoute(entry)))
    giveBack(key, original, original !== null && canBe(original, observed));
  const addresses = [...addressesOf(observed.settings, absent), ...addressesOf(present, absent)];
  for (const [key, original] of given.filter(isRoute))
    giveBack(
      key,
      original,
      original !== null && canBe(original, observed) && leadsSomewhere(original, addresses),
    );
  for (const [index, route] of configuration.routes.entries()) {
    const setting = routeSetting(route, addresses);
    if (typeof setting === 'string') {
      note({ waits: false, message: `spec.routes[${index}].gateway: ${setting}` });
      continue;
    }
    if (!note(settingProblem(setting, observed))) continue;
    present.set(keyOf(setting), setting);
    absent.delete(keyOf(setting));
  }
  const goal = { present, absent };
  const claimed = [...present.keys(), ...absent].filter((key) => isClaimed(key, configuration, interfaces));
  return {
    problem,
    steps: stepsTo(goal, observed.settings),
    goal,
    originals: new Map([
      ...claimed.map((key) => [key, observed.settings.get(key) ?? null] as const),
      ...kept,
    ]),
  };
}

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

/** Why a setting cannot be made at present. */
function settingProblem(setting: Setting, { devices }: ObservedNetwork): PlanProblem | undefined {
  const masters = setting.kind === 'master' && setting.master !== '' ? [setting.master] : [];
  const missing = [...devicesOfSetting(setting), ...masters].find((device) => !devices.has(device));
  if (missing !== undefined) return { waits: true, message: `there is no device ${missing}` };
  const { minimumMtu = 0, maximumMtu, usedFor } = devices.get(setting.device ?? '') ?? {};
  if (usedFor !== undefined && setting.kind !== 'route')
    return { waits: false, message: `${setting.device} is used for ${usedFor}` };
  // A device that names no maximum says 0 (linux/netdevice.h).
  if (setting.kind === 'mtu' && (setting.mtu < minimumMtu || (maximumMtu && setting.mtu > maximumMtu))) {
    const range = `${minimumMtu} to ${maximumMtu || 'any'}`;
    return { waits: false, message: `mtu of ${setting.device} must be ${range}, not ${setting.mtu}` };
  }
  return undefined;
}

/** Whether the configuration has a say in a key: it wants it (`settings`: of its devices), or no other address there. */
const isClaimed = (key: string, { interfaces, routes }: Configuration, settings: Settings): boolean =>
  settings.has(key) ||
  interfaces.some(
    ({ device, exclusiveAddresses }) => exclusiveAddresses && key.startsWith(`address/${device}/`),
  ) ||
  routes.some(({ destination, metric }) => key === routeKey(destination, metric));

const devicesOfSetting = (setting: Setting): readonly string[] =>
  setting.kind === 'route'
    ? [setting.device ?? [], ...(setting.attributes?.hops ?? []).map(({ device }) => device)].flat()
    : [setting.device];

/** Its devices are there. */
const canBe = (setting: Setting, { devices }: ObservedNetwork): boolean =>
  devicesOfSetting(setting).every((device) => devices.has(device));

/** The gateways of a route are on networks of the DPU, or need not be. */
function leadsSomewhere(
  setting: Setting,
  addresses: readonly { readonly device: string; readonly address: string }[],
): boolean {
  if (setting.kind !== 'route') return true;
  const { device, gateway, attributes } = setting;
  const hops = attributes?.hops ?? [{ device, gateway, flags: attributes?.flags ?? 0 }];
  return hops.every(
    (hop) =>
      hop.gateway === undefined ||
      hop.flags !== 0 ||
      isWithin(LINK_LOCAL, hop.gateway) ||
      addresses.some((each) => each.device === hop.device && isWithin(each.address, hop.gateway ?? '')),
  );
}

const interfaceSettings = ({ interfaces }: Configuration): Settings =>
  byKey(
    interfaces.flatMap(({ device, mtu, up, addresses, master }): Setting[] => [
      ...(mtu === undefined ? [] : [{ kind: 'mtu' as const, device, mtu }]),
      ...(up === undefined ? [] : [{ kind: 'state' as const, device, up }]),
      ...(master === undefined ? [] : [{ kind: 'master' as const, device, master }]),
      ...addresses.map((address) => ({ kind: 'address' as const, device, address })),
    ]),
  );

const addressesOf = (settings: Settings, absent: ReadonlySet<string>) =>
  [...settings].flatMap(([key, setting]) =>
    setting.kind === 'address' && !absent.has(key) ? [setting] : [],
  );

/** The route with its device; a text: why there is none. */
function routeSetting(
  { destination, gateway, device, metric }: Configuration['routes'][number],
  addresses: readonly { readonly device: string; readonly address: string }[],
): RouteSetting | string {
  const route = { kind: 'route', destination, metric: metricOf(destination, metric) } as const;
  if (gateway === '') return { ...route, device, gateway: undefined };
  if (device !== '' && isWithin(LINK_LOCAL, gateway)) return { ...route, device, gateway };
  const towards = addresses.find(
    (each) => (device === '' || each.device === device) && isWithin(each.address, gateway),
  );
  if (towards !== undefined) return { ...route, device: towards.device, gateway };
  return `${gateway} is on no network of ${device === '' ? 'this DPU' : device}`;
}
