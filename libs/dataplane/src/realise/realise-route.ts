import type { NextHop, Route } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import { parseIpv4Prefix } from '@outboard/netlink';
import type { DriverObject } from '../driver.js';
import { canonicalAddress, formatPrefix, parsePrefix } from './addresses.js';
import { linkKey, namespaceKey, routeKey } from './linux-keys.js';
import type { LinuxSpec, RouteNextHop, RouteType } from './linux-objects.js';
import { bridgeName, namespaceName } from './names.js';
import { byGateway } from './next-hops.js';

const MAX_NEXT_HOPS = 256;
const MAX_WEIGHT = 256;
const REMEMBERED = 4096;
/** The first is what a route without next hops is where nothing is said. */
const ROUTE_TYPES = ['unreachable', 'blackhole', 'prohibit'] as const;

/** Key of a Router object. */
export const ROUTER_KEY = /^router\/[^/]+\/[^/]+$/;

/** Where a route leads; many routes of a table lead to the same place, and then share one. */
interface Ways {
  readonly nextHops: readonly RouteNextHop[];
  /** The links that it needs; none: just the namespace. */
  readonly links: readonly string[];
}

/** Where the routes of a router stand. */
interface Home {
  readonly dpu: string;
  readonly router: string;
  readonly namespace: string;
  /** Of the namespace. */
  readonly key: string;
  /** Of the keys of its routes. */
  readonly keyPrefix: string;
}

const knownWays = new Map<string, Ways>();
/** Of the route before: neighbours in a table have the same router, and mostly the very same next hops. */
let lastHops: readonly NextHop[] | undefined;
let lastWays: Ways | undefined;
let lastHome: Home | undefined;

/** A Route as the kernel's. Throws AppError INVALID_ARGUMENT. */
export function routeObject(route: Route, dpu: string): DriverObject<LinuxSpec> {
  const problems = new Problems();
  const { namespace, key: home, keyPrefix } = homeOf(route.router, dpu, problems);
  const destination = destinationOf(route.destination, problems);
  const { nextHops, links } = waysOf(route.nextHops, problems);
  const type = typeOf(route, problems);
  const { mtu } = route;
  if (problems.total > 0) throw problems.toError();
  const spec = { kind: 'route', namespace, destination, nextHops, mtu } as const;
  return {
    key: keyPrefix + destination,
    spec: nextHops.length > 0 ? spec : { ...spec, type },
    after: links.length > 0 ? links : [home],
    within: home,
  };
}

/** In canonical text. Large tables are of IPv4 and mostly given like that: those are taken as they are. */
function destinationOf(text: string, problems: Problems): string {
  const ipv4 = parseIpv4Prefix(text);
  if (ipv4 !== undefined && ipv4.address % 2 ** (32 - ipv4.length) === 0) return text;
  const prefix = parsePrefix(text);
  if (prefix === undefined) problems.add('destination', 'must be an IPv4 or IPv6 prefix');
  return prefix === undefined ? '' : formatPrefix(prefix);
}

function typeOf({ rtmType }: Route, problems: Problems): RouteType {
  const type = ROUTE_TYPES.find((each) => each === (rtmType || ROUTE_TYPES[0]));
  if (type === undefined) problems.add('rtmType', `must be absent or one of ${ROUTE_TYPES.join(', ')}`);
  return type ?? ROUTE_TYPES[0];
}

function homeOf(router: string, dpu: string, problems: Problems): Home {
  if (lastHome?.router === router && lastHome.dpu === dpu) return lastHome;
  if (!ROUTER_KEY.test(router)) problems.add('router', 'must be the key of a Router');
  const namespace = namespaceName(dpu, router);
  const home = {
    dpu,
    router,
    namespace,
    key: namespaceKey(namespace),
    keyPrefix: routeKey(namespace, ''),
  };
  if (problems.total === 0) lastHome = home;
  return home;
}

function waysOf(hops: readonly NextHop[], problems: Problems): Ways {
  if (hops === lastHops && lastWays !== undefined) return lastWays;
  const ways = findWays(hops, problems);
  // A broken one is told of with each of its routes.
  [lastHops, lastWays] = problems.total > 0 ? [] : [hops, ways];
  return ways;
}

function findWays(hops: readonly NextHop[], problems: Problems): Ways {
  const id = hops.map(({ gateway, weight, networkUid }) => `${gateway} ${weight} ${networkUid}`).join(' ');
  const known = knownWays.get(id);
  if (known !== undefined) return known;
  if (hops.length > MAX_NEXT_HOPS) problems.add('nextHops', `must have at most ${MAX_NEXT_HOPS} entries`);
  const nextHops = hops.map(({ gateway, weight, networkUid }, index): RouteNextHop => {
    const address = canonicalAddress(gateway);
    if (address === undefined) problems.add(`nextHops[${index}].gateway`, 'must be an IP address');
    if (weight < 1 || weight > MAX_WEIGHT)
      problems.add(`nextHops[${index}].weight`, `must be 1 to ${MAX_WEIGHT}`);
    // The weight of an only hop means nothing, and the kernel does not keep it.
    const hop = { gateway: address ?? '', weight: hops.length === 1 ? 1 : weight };
    return networkUid === '' ? hop : { ...hop, device: bridgeName(networkUid) };
  });
  if (nextHops.length > 1) nextHops.sort(byGateway);
  const devices = new Set(nextHops.flatMap(({ device }) => (device === undefined ? [] : [linkKey(device)])));
  const ways = { nextHops, links: [...devices] };
  if (problems.total > 0) return ways;
  if (knownWays.size >= REMEMBERED) knownWays.clear();
  knownWays.set(id, ways);
  return ways;
}
