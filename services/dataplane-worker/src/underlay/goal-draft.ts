import type { Configuration } from './configuration.js';
import type { ObservedNetwork, Originals, PlanProblem } from './observed-network.js';
import { isWithin } from './prefixes.js';
import {
  byKey,
  keyOf,
  metricOf,
  type RouteSetting,
  routeKey,
  type Setting,
  type Settings,
} from './settings.js';

/** Every device has this network (RFC 4291 section 2.5.6). */
const LINK_LOCAL = 'fe80::/10';

interface HeldAddress {
  readonly device: string;
  readonly address: string;
}

/** What is to be there and what is not, in the making: the interfaces first, as routes need their addresses. */
export class GoalDraft {
  readonly present = new Map<string, Setting>();
  readonly absent = new Set<string>();
  /** Keys of what should be given back and cannot be now. */
  readonly impossible = new Set<string>();
  /** The first of what cannot be made so. */
  problem: PlanProblem | undefined;
  readonly #wanted: Settings;

  constructor(
    private readonly observed: ObservedNetwork,
    private readonly configuration: Configuration,
  ) {
    this.#wanted = interfaceSettings(configuration);
  }

  /** Whether the configuration has a say in a key: it wants it, or no other address there. */
  isClaimed(key: string): boolean {
    const { interfaces, routes } = this.configuration;
    return (
      this.#wanted.has(key) ||
      interfaces.some(
        ({ device, exclusiveAddresses }) => exclusiveAddresses && key.startsWith(`address/${device}/`),
      ) ||
      routes.some(({ destination, metric }) => key === routeKey(destination, metric))
    );
  }

  wantInterfaces(): void {
    for (const [key, setting] of this.#wanted)
      if (!this.#note(settingProblem(setting, this.observed))) this.present.set(key, setting);
    const exclusive = this.configuration.interfaces.filter((each) => each.exclusiveAddresses);
    for (const [key, setting] of this.observed.settings)
      if (
        setting.kind === 'address' &&
        exclusive.some(({ device }) => device === setting.device) &&
        !this.present.has(key)
      )
        this.absent.add(key);
  }

  /** What was there before, of all that the configuration has no say in any more: routes last, as they need addresses. */
  giveBack(originals: Originals): void {
    const given = [...originals].filter(([key]) => !this.isClaimed(key));
    const isRoute = ([key]: readonly [string, unknown]): boolean => key.startsWith('route/');
    for (const [key, original] of given.filter((entry) => !isRoute(entry))) this.#giveBack(key, original, []);
    const addresses = this.#addresses();
    for (const [key, original] of given.filter(isRoute)) this.#giveBack(key, original, addresses);
  }

  wantRoutes(): void {
    const addresses = this.#addresses();
    for (const [index, route] of this.configuration.routes.entries()) {
      const setting = routeSetting(route, addresses);
      const problem =
        typeof setting === 'string'
          ? { waits: false, message: `spec.routes[${index}].gateway: ${setting}` }
          : settingProblem(setting, this.observed);
      if (this.#note(problem) || typeof setting === 'string') continue;
      this.present.set(keyOf(setting), setting);
    }
  }

  #giveBack(key: string, original: Setting | null, addresses: readonly HeldAddress[]): void {
    const isPossible =
      original !== null && canBe(original, this.observed) && leadsSomewhere(original, addresses);
    if (isPossible) this.present.set(key, original);
    else {
      this.absent.add(key);
      if (original !== null) this.impossible.add(key);
    }
  }

  /** Those that the DPU will have. */
  #addresses(): readonly HeldAddress[] {
    return [...this.observed.settings, ...this.present].flatMap(([key, setting]) =>
      setting.kind === 'address' && !this.absent.has(key) ? [setting] : [],
    );
  }

  /** Whether there is a problem. */
  #note(problem: PlanProblem | undefined): boolean {
    this.problem ??= problem;
    return problem !== undefined;
  }
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

export const devicesOfSetting = (setting: Setting): readonly string[] =>
  setting.kind === 'route'
    ? [setting.device ?? [], ...(setting.attributes?.hops ?? []).map(({ device }) => device)].flat()
    : [setting.device];

/** Its devices are there. */
export const canBe = (setting: Setting, { devices }: ObservedNetwork): boolean =>
  devicesOfSetting(setting).every((device) => devices.has(device));

/** The gateways of a route are on networks of the DPU, or need not be. */
function leadsSomewhere(setting: Setting, addresses: readonly HeldAddress[]): boolean {
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

/** The route with its device; a text: why there is none. */
function routeSetting(
  { destination, gateway, device, metric }: Configuration['routes'][number],
  addresses: readonly HeldAddress[],
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
