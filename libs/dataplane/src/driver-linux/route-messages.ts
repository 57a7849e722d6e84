import {
  AF,
  type Message,
  parseIpv4Prefix,
  type RouteInput,
  type RouteStamp,
  RT_TABLE,
  RTN,
  RTNH_F,
  route,
  routeStamp,
} from '@outboard/netlink';
import type { OperationResult } from '../driver.js';
import { missing } from '../handlers.js';
import type { Device } from '../kernel/device.js';
import type { Place } from '../kernel/place.js';
import { linkKey } from '../realise/linux-keys.js';
import type { RouteSpec, RouteType } from '../realise/linux-objects.js';
import { OUTBOARD_PROTOCOL } from './protocol.js';

/** Where a route leads, as the kernel puts it. */
type Way = Pick<RouteInput, 'rtmType' | 'rtmFlags' | 'gateway' | 'oif' | 'multipath' | 'metrics'>;

/** The part of a route that many of a table have in common, and messages that have it. */
interface Common {
  readonly nextHops: RouteSpec['nextHops'];
  readonly type: RouteType | undefined;
  readonly mtu: number;
  /** Of the next hops, as they were. */
  readonly devices: readonly (Device | undefined)[];
  readonly stamp: RouteStamp;
}

const TYPES: Readonly<Record<RouteType, number>> = {
  unreachable: RTN.UNREACHABLE,
  blackhole: RTN.BLACKHOLE,
  prohibit: RTN.PROHIBIT,
};

/** Messages that put routes into a place, or take them away. Of neighbours that lead to the same place, that is encoded once. */
export class RouteMessages {
  #common: Common | undefined;
  #removal: RouteStamp | undefined;

  constructor(
    private readonly place: Place,
    /** Fails where there is one; otherwise it is replaced. */
    private readonly create = false,
  ) {}

  /** Or what it waits for. */
  put(spec: RouteSpec): Message | OperationResult {
    const { destination, nextHops } = spec;
    for (const { device } of nextHops)
      if (device !== undefined && this.place.device(device) === undefined) return missing(linkKey(device));
    const prefix = parseIpv4Prefix(destination);
    if (prefix === undefined) return this.#encodedFor(spec);
    if (this.#common === undefined || !this.#isCommon(this.#common, spec)) {
      const { type, mtu } = spec;
      const devices = nextHops.map(({ device }) => this.#deviceOf(device));
      this.#common = { nextHops, type, mtu, devices, stamp: routeStamp(this.#encodedFor(spec)) };
    }
    return this.#common.stamp(prefix.address, prefix.length);
  }

  /** With the protocol the kernel removes ours only. */
  remove(destination: string): Message {
    const message = (): Message => route.remove(routeBody(destination));
    const prefix = parseIpv4Prefix(destination);
    if (prefix === undefined) return message();
    this.#removal ??= routeStamp(message());
    return this.#removal(prefix.address, prefix.length);
  }

  #isCommon({ nextHops, type, mtu, devices }: Common, spec: RouteSpec): boolean {
    if (nextHops !== spec.nextHops || type !== spec.type || mtu !== spec.mtu) return false;
    return nextHops.every(({ device }, index) => this.#deviceOf(device) === devices[index]);
  }

  #deviceOf(name: string | undefined): Device | undefined {
    return name === undefined ? undefined : this.place.device(name);
  }

  #encodedFor(spec: RouteSpec): Message {
    const way = this.#wayOf(spec);
    const body = routeBody(spec.destination, spec.mtu === 0 ? way : { ...way, metrics: { mtu: spec.mtu } });
    return this.create ? route.create(body) : route.replace(body);
  }

  #wayOf({ nextHops, type = 'unreachable' }: RouteSpec): Way {
    const [first] = nextHops;
    if (first === undefined) return { rtmType: TYPES[type] };
    if (nextHops.length === 1) {
      const { gateway, device } = first;
      if (device === undefined) return { rtmType: RTN.UNICAST, gateway };
      return { rtmType: RTN.UNICAST, rtmFlags: RTNH_F.ONLINK, gateway, oif: this.#deviceOf(device)?.index };
    }
    const multipath = nextHops.map(({ gateway, device, weight }) => ({
      gateway,
      rtnhHops: weight - 1,
      ...(device === undefined
        ? {}
        : { rtnhIfindex: this.#deviceOf(device)?.index, rtnhFlags: RTNH_F.ONLINK }),
    }));
    return { rtmType: RTN.UNICAST, multipath };
  }
}

/** A route of ours in the main table. */
export function routeBody(destination: string, way: Way = {}): RouteInput {
  const slash = destination.indexOf('/');
  return {
    rtmFamily: destination.includes(':') ? AF.INET6 : AF.INET,
    rtmDstLen: Number(destination.slice(slash + 1)),
    rtmTable: RT_TABLE.MAIN,
    rtmProtocol: OUTBOARD_PROTOCOL,
    dst: destination.slice(0, slash),
    ...way,
  };
}
