import {
  AF,
  type ListedRoute,
  parseIpv4Prefix,
  type Route,
  RT_TABLE,
  RTM_F,
  RTN,
  RTNH_F,
} from '@outboard/netlink';
import { satisfies } from '@outboard/reconcile';
import type { DriverObject, Expected } from '../driver.js';
import type { Place } from '../kernel/place.js';
import { namespaceKey, routeKey } from '../realise/linux-keys.js';
import type { LinuxSpec, RouteNextHop, RouteSpec, RouteType } from '../realise/linux-objects.js';
import { byGateway } from '../realise/next-hops.js';
import type { Observed } from './handler.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';

/** Of what is instead of next hops. */
const TYPES: ReadonlyMap<number, RouteType> = new Map([
  [RTN.UNREACHABLE, 'unreachable'],
  [RTN.BLACKHOLE, 'blackhole'],
  [RTN.PROHIBIT, 'prohibit'],
]);
const OWNED = { kind: 'owned' } as const;
const IN_HARDWARE = { inHardware: true } as const;

/** All about a route but its destination. */
type Common = Pick<RouteSpec, 'nextHops' | 'mtu' | 'type'>;

/** Route messages of one namespace as objects of ours. Neighbours in a table that lead to the same place share it. */
export class RouteReader {
  readonly #within: string;
  readonly #keyPrefix: string;
  readonly #expected: ExpectedRoutes | undefined;
  #last: { readonly message: Route; readonly common: Common } | undefined;
  /** The next hops that were expected last, and whether those of `common` are such. */
  #compared: { readonly common: Common; readonly nextHops: Common['nextHops']; isSo: boolean } | undefined;

  constructor(
    private readonly place: Place,
    /** In this namespace. */
    expected?: Expected<LinuxSpec>,
  ) {
    this.#within = namespaceKey(place.name);
    this.#keyPrefix = routeKey(place.name, '');
    this.#expected = expected && new ExpectedRoutes(expected);
  }

  /** Undefined for a route that is not in the main table, or not ours. */
  read(message: Route): Observed | undefined {
    if (!isOurs(message)) return undefined;
    const { rtmFamily, rtmDstLen, dst = unspecified(rtmFamily) } = message;
    return this.#observed(message, `${dst}/${rtmDstLen}`);
  }

  /** The same of a list. What is as expected has the spec, and the key, that was expected. */
  readListed({ address, prefixLength, route }: ListedRoute): Observed | undefined {
    if (address < 0) return this.read(route);
    if (!isOurs(route)) return undefined;
    const expected = this.#expected?.at(address, prefixLength);
    if (expected?.spec.kind === 'route' && this.#isSo(expected.spec, this.#commonOf(route))) {
      const { key, spec } = expected;
      if (isOffloaded(route)) return { key, spec, within: this.#within, ownership: OWNED, inHardware: true };
      return { key, spec, within: this.#within, ownership: OWNED };
    }
    const bytes = [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255];
    return this.#observed(route, `${bytes.join('.')}/${prefixLength}`);
  }

  #observed(message: Route, destination: string): Observed {
    return {
      key: this.#keyPrefix + destination,
      spec: { kind: 'route', namespace: this.place.name, destination, ...this.#commonOf(message) },
      within: this.#within,
      ownership: OWNED,
      ...(isOffloaded(message) && IN_HARDWARE),
    };
  }

  #isSo({ nextHops, mtu, type }: RouteSpec, common: Common): boolean {
    if (mtu !== common.mtu || (type !== undefined && type !== common.type)) return false;
    if (this.#compared?.common !== common || this.#compared.nextHops !== nextHops)
      this.#compared = { common, nextHops, isSo: satisfies(nextHops, common.nextHops) };
    return this.#compared.isSo;
  }

  #commonOf(message: Route): Common {
    if (this.#last !== undefined && leadToTheSame(this.#last.message, message)) return this.#last.common;
    const type = TYPES.get(message.rtmType);
    const common = {
      nextHops: this.#readNextHops(message),
      mtu: message.metrics?.mtu ?? 0,
      ...(type && { type }),
    };
    this.#last = { message, common };
    return common;
  }

  #readNextHops(message: Route): RouteNextHop[] {
    if (message.rtmType !== RTN.UNICAST) return [];
    const { multipath, gateway = '', oif = 0 } = message;
    if (multipath === undefined) return [{ gateway, device: this.#deviceAt(oif), weight: 1 }];
    return multipath
      .map(({ gateway = '', rtnhIfindex, rtnhHops }) => ({
        gateway,
        device: this.#deviceAt(rtnhIfindex),
        weight: rtnhHops + 1,
      }))
      .sort(byGateway);
  }

  #deviceAt(index: number): string {
    return this.place.deviceAt(index)?.name ?? '';
  }
}

/** Routes of a namespace by their IPv4 destinations, as numbers: found without a key for each that is looked for. */
class ExpectedRoutes {
  /** By the length of the prefix and its address, as a signed number: those are the small integers of the engine. */
  readonly #byLength = new Map<number, Map<number, DriverObject<LinuxSpec>>>();

  constructor(expected: Expected<LinuxSpec>) {
    for (const object of expected) {
      if (object?.spec.kind !== 'route') continue;
      const prefix = parseIpv4Prefix(object.spec.destination);
      if (prefix === undefined) continue;
      let byAddress = this.#byLength.get(prefix.length);
      if (byAddress === undefined) {
        byAddress = new Map();
        this.#byLength.set(prefix.length, byAddress);
      }
      byAddress.set(prefix.address | 0, object);
    }
  }

  at(address: number, length: number): DriverObject<LinuxSpec> | undefined {
    return this.#byLength.get(length)?.get(address | 0);
  }
}

const isOurs = ({ rtmProtocol, rtmTable }: Route): boolean =>
  rtmProtocol === OUTBOARD_PROTOCOL && rtmTable === RT_TABLE.MAIN;

/** The kernel tells it of the whole route, or of its next hop. */
const isOffloaded = ({ rtmFlags }: Route): boolean => (rtmFlags & (RTM_F.OFFLOAD | RTNH_F.OFFLOAD)) !== 0;

/** The address of a default route, which the kernel leaves out. */
export const unspecified = (family: number): string => (family === AF.INET6 ? '::' : '0.0.0.0');

const leadToTheSame = (one: Route, other: Route): boolean =>
  one === other ||
  (one.rtmType === other.rtmType &&
    one.gateway === other.gateway &&
    one.oif === other.oif &&
    one.metrics?.mtu === other.metrics?.mtu &&
    one.multipath === undefined &&
    other.multipath === undefined);
