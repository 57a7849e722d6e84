import { AF, type Route, RT_TABLE, RTM_F, RTN, RTNH_F } from '@outboard/netlink';
import type { Place } from '../kernel/place.js';
import { namespaceKey, routeKey } from '../realise/linux-keys.js';
import type { RouteNextHop, RouteType } from '../realise/linux-objects.js';
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

/** Route messages of one namespace as objects of ours. Neighbours in a table that lead to the same place share it. */
export class RouteReader {
  readonly #within: string;
  readonly #keyPrefix: string;
  #last: { readonly message: Route; readonly nextHops: readonly RouteNextHop[] } | undefined;

  constructor(private readonly place: Place) {
    this.#within = namespaceKey(place.name);
    this.#keyPrefix = routeKey(place.name, '');
  }

  /** Undefined for a route that is not in the main table, or not ours. */
  read(message: Route): Observed | undefined {
    const { rtmProtocol, rtmTable, rtmFamily, rtmDstLen, dst = unspecified(rtmFamily) } = message;
    if (rtmProtocol !== OUTBOARD_PROTOCOL || rtmTable !== RT_TABLE.MAIN) return undefined;
    const destination = `${dst}/${rtmDstLen}`;
    const nextHops = this.#nextHopsOf(message);
    const type = TYPES.get(message.rtmType);
    const mtu = message.metrics?.mtu ?? 0;
    return {
      key: this.#keyPrefix + destination,
      spec: { kind: 'route', namespace: this.place.name, destination, nextHops, mtu, ...(type && { type }) },
      within: this.#within,
      ownership: OWNED,
      ...(isOffloaded(message) && IN_HARDWARE),
    };
  }

  #nextHopsOf(message: Route): readonly RouteNextHop[] {
    if (this.#last === undefined || !leadToTheSame(this.#last.message, message))
      this.#last = { message, nextHops: this.#readNextHops(message) };
    return this.#last.nextHops;
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

/** The kernel tells it of the whole route, or of its next hop. */
const isOffloaded = ({ rtmFlags }: Route): boolean => (rtmFlags & (RTM_F.OFFLOAD | RTNH_F.OFFLOAD)) !== 0;

/** The address of a default route, which the kernel leaves out. */
export const unspecified = (family: number): string => (family === AF.INET6 ? '::' : '0.0.0.0');

const leadToTheSame = (one: Route, other: Route): boolean =>
  one.rtmType === other.rtmType &&
  one.gateway === other.gateway &&
  one.oif === other.oif &&
  one.multipath === undefined &&
  other.multipath === undefined;
