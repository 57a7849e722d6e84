/** One thing of a DPU's own network that can be set by itself. */
export type Setting = MtuSetting | StateSetting | MasterSetting | AddressSetting | RouteSetting;

/** Largest packet of a device, bytes. */
export interface MtuSetting {
  readonly kind: 'mtu';
  readonly device: string;
  readonly mtu: number;
}

/** Whether a device is administratively up. */
export interface StateSetting {
  readonly kind: 'state';
  readonly device: string;
  readonly up: boolean;
}

/** Of which bridge or bond a device is a port. */
export interface MasterSetting {
  readonly kind: 'master';
  readonly device: string;
  /** Empty: of none. */
  readonly master: string;
}

export interface AddressSetting {
  readonly kind: 'address';
  readonly device: string;
  /** With the length of its prefix. */
  readonly address: string;
  /** What IPv6 looks for before it uses an address (RFC 4862 section 5.4); undefined: it is in use. */
  readonly duplicates?: 'LOOKED_FOR' | 'FOUND';
  /** What else an address has that was there before; to put it back as it was. */
  readonly attributes?: AddressAttributes;
}

export interface AddressAttributes {
  readonly flags?: number;
  readonly scope: number;
  readonly peer?: string;
  readonly label?: string;
  readonly broadcast?: string;
}

/** A route of the main table. */
export interface RouteSetting {
  readonly kind: 'route';
  readonly destination: string;
  readonly metric: number;
  /** Undefined: a route without a single device, whose `hops` tell. */
  readonly device: string | undefined;
  /** Undefined: what is reached is on the device's link. */
  readonly gateway: string | undefined;
  /** What else a route has that was there before; to put it back as it was. */
  readonly attributes?: RouteAttributes;
}

export interface RouteAttributes {
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly flags: number;
  readonly source?: string;
  readonly mtu?: number;
  readonly hops?: readonly RouteHop[];
}

/** One of several ways of a route. */
export interface RouteHop {
  readonly device: string;
  readonly gateway: string | undefined;
  readonly flags: number;
  /** Share of flows less one, as rtnetlink has it. */
  readonly weight: number;
}

/** By their keys. */
export type Settings = ReadonlyMap<string, Setting>;

/** The kernel gives IPv6 routes this metric when they have none (IP6_RT_PRIO_USER, net/ip6_route.h). */
const DEFAULT_IPV6_METRIC = 1024;

export const metricOf = (destination: string, metric: number): number =>
  metric === 0 && destination.includes(':') ? DEFAULT_IPV6_METRIC : metric;

export const routeKey = (destination: string, metric: number): string =>
  `route/${destination}/${metricOf(destination, metric)}`;

/** Two settings of one key exclude each other. */
export function keyOf(setting: Setting): string {
  switch (setting.kind) {
    case 'address':
      return `address/${setting.device}/${setting.address}`;
    case 'route':
      return routeKey(setting.destination, setting.metric);
    default:
      return `${setting.kind}/${setting.device}`;
  }
}

export const byKey = (settings: Iterable<Setting>): Map<string, Setting> =>
  new Map([...settings].map((setting) => [keyOf(setting), setting]));

/** Whether what is there is what is wanted under the same key. What is wanted of an address is that it is there. */
export function satisfies(found: Setting | undefined, wanted: Setting): boolean {
  switch (wanted.kind) {
    case 'mtu':
      return found?.kind === 'mtu' && found.mtu === wanted.mtu;
    case 'state':
      return found?.kind === 'state' && found.up === wanted.up;
    case 'master':
      return found?.kind === 'master' && found.master === wanted.master;
    case 'address':
      return found?.kind === 'address' && found.duplicates !== 'FOUND';
    case 'route':
      return (
        found?.kind === 'route' &&
        found.device === wanted.device &&
        found.gateway === wanted.gateway &&
        hopsOf(found) === hopsOf(wanted)
      );
  }
}

const hopsOf = ({ attributes }: RouteSetting): string =>
  (attributes?.hops ?? []).map(({ device, gateway, weight }) => `${device} ${gateway} ${weight}`).join();

/** A setting as people read it: `mtu 9000 of p0`. */
export function textOf(setting: Setting): string {
  switch (setting.kind) {
    case 'mtu':
      return `mtu ${setting.mtu} of ${setting.device}`;
    case 'state':
      return `${setting.device} ${setting.up ? 'up' : 'down'}`;
    case 'master':
      return setting.master === ''
        ? `${setting.device} a port of nothing`
        : `${setting.device} a port of ${setting.master}`;
    case 'address': {
      const why = setting.duplicates === 'FOUND' ? ', which another machine has,' : '';
      return `address ${setting.address}${why} of ${setting.device}`;
    }
    case 'route': {
      const via = setting.gateway === undefined ? '' : ` by ${setting.gateway}`;
      return `route to ${setting.destination}${via}`;
    }
  }
}
