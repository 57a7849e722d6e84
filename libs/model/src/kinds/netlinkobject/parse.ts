import { create } from '@bufbuild/protobuf';
import {
  type NetlinkAddress as AddressMessage,
  type NetlinkObjectSpec as NetlinkObjectSpecMessage,
  NetlinkObjectSpecSchema,
  type NetlinkRoute as RouteMessage,
} from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { hostPrefix, hostRange, ipFamily, parseIpAddress, prefixOf, rangeContains } from '../../ip.js';
import { type Name, type Parser, parseMacAddress, parseName } from '../../values.js';
import { DEFAULT_ROUTER } from '../network/parse.js';
import { MAX_NEXT_HOPS, parseDestination, parseNextHops } from '../router/parse.js';
import type { RouteNextHop } from '../router/spec.js';
import { parseSubnetPrefix } from '../subnet/parse.js';
import {
  type NetlinkAddress,
  type NetlinkFdbEntry,
  type NetlinkNeighbour,
  type NetlinkObjectSpec,
  type NetlinkRoute,
  ROUTE_TYPES,
} from './spec.js';

export const MAX_DPUS = 64;
const MAX_RTNH_HOPS = 255;
/** Of addresses: what a subnet may have. */
const SHORTEST_PREFIX = 8;

const TYPES = ['route', 'neigh', 'fdb', 'addr'] as const;

const parseRtmType = oneOf(ROUTE_TYPES);

const MAX_MTU = 65_520;
/** Of every link (RFC 791, RFC 8200). */
const MIN_MTU = { 4: 68, 6: 1280 } as const;

const parseRtnhHops: Parser<number, number> = (value) =>
  value <= MAX_RTNH_HOPS ? ok(value) : err(`must be 0 to ${MAX_RTNH_HOPS}`);

export function parseNetlinkObjectSpec(
  message: NetlinkObjectSpecMessage = create(NetlinkObjectSpecSchema),
  problems: Problems,
): NetlinkObjectSpec | undefined {
  const dpus = parseDpus(message.dpus, problems);
  const given = TYPES.filter((type) => message[type] !== undefined);
  if (given.length !== 1) {
    const instead = given.length > 1 ? `, not ${given.join(' and ')}` : '';
    problems.add('spec', `must have exactly one of ${TYPES.join(', ')}${instead}`);
  }
  if (given.length === 0) return undefined;
  // Of several, each is told its own problems, too: whoever drops one need not ask again.
  const isPlace = (field: Place): boolean => given.some((type) => PLACES[type].includes(field));
  for (const field of ['router', 'network', 'port'] as const)
    if (message[field] !== '' && !isPlace(field))
      problems.add(`spec.${field}`, `is no field of a ${given.join(' or ')}`);
  const network = isPlace('network')
    ? required(problems, 'spec.network', message.network, parseName)
    : undefined;
  const objects = given.map((type) => parseObject(type, network, message, problems));
  const [object] = objects;
  return objects.length === 1 && object && dpus ? { object, dpus } : undefined;
}

type Place = 'router' | 'network' | 'port';

/** By which fields a caller says where an object is. */
const PLACES: Readonly<Record<(typeof TYPES)[number], readonly Place[]>> = {
  route: ['router'],
  neigh: ['network'],
  fdb: ['network', 'port'],
  addr: ['network'],
};

function parseObject(
  type: (typeof TYPES)[number],
  network: Name | undefined,
  message: NetlinkObjectSpecMessage,
  problems: Problems,
): NetlinkObjectSpec['object'] | undefined {
  switch (type) {
    case 'route':
      return message.route && parseRoute(message.router, message.route, problems);
    case 'neigh':
      return message.neigh && parseNeighbour(network, message.neigh, problems);
    case 'fdb':
      return message.fdb && parseFdbEntry(network, message.port, message.fdb.lladdr, problems);
    case 'addr':
      return message.addr && parseAddress(network, message.addr, problems);
  }
}

function parseDpus(names: readonly string[], problems: Problems): readonly Name[] | undefined {
  const field = (index: number): string => `spec.dpus[${index}]`;
  atMost(problems, 'spec.dpus', names, MAX_DPUS);
  const parsed = names.map((name, index) => required(problems, field(index), name, parseName));
  distinct(problems, parsed, (name) => name, field);
  return all(parsed);
}

function parseRoute(router: string, message: RouteMessage, problems: Problems): NetlinkRoute | undefined {
  const { gateway, multipath, rtmType } = message;
  const name = optional(problems, 'spec.router', router, parseName) ?? (DEFAULT_ROUTER as Name);
  const dst = required(problems, 'spec.route.dst', message.dst, parseDestination);
  const ways = [gateway !== '', multipath.length > 0, rtmType !== ''].filter((given) => given).length;
  if (ways !== 1) problems.add('spec.route', 'must have exactly one of gateway, multipath, rtmType');
  const type = optional(problems, 'spec.route.rtmType', rtmType, parseRtmType);
  const mtu = message.metrics && parseMtu(message, dst, problems);
  const single = optional(problems, 'spec.route.gateway', gateway, parseIpAddress);
  if (dst && single && ipFamily(single) !== ipFamily(dst)) {
    problems.add('spec.route.gateway', `must be an IPv${ipFamily(dst)} address, as dst is`);
  }
  const several = parseMultipath(message, dst, problems);
  const nextHops: readonly RouteNextHop[] | undefined = single ? [{ address: single, weight: 1 }] : several;
  return dst && nextHops && { kind: 'route', router: name, dst, nextHops, rtmType: type, mtu };
}

function parseMtu(
  { rtmType, metrics }: RouteMessage,
  dst: NetlinkRoute['dst'] | undefined,
  problems: Problems,
): number | undefined {
  const field = 'spec.route.metrics';
  if (rtmType !== '') problems.add(field, 'is of routes with next hops');
  const least = MIN_MTU[dst ? ipFamily(dst) : 4];
  const { mtu } = metrics ?? { mtu: 0 };
  if (mtu < least || mtu > MAX_MTU) problems.add(`${field}.mtu`, `must be ${least} to ${MAX_MTU}`);
  return mtu;
}

function parseMultipath(
  { multipath }: RouteMessage,
  dst: NetlinkRoute['dst'] | undefined,
  problems: Problems,
): readonly RouteNextHop[] | undefined {
  const field = 'spec.route.multipath';
  if (multipath.length === 1)
    problems.add(field, `must have 2 to ${MAX_NEXT_HOPS} items; gateway is for one`);
  const hops = multipath.map(({ gateway, rtnhHops }, index) => {
    optional(problems, `${field}[${index}].rtnhHops`, rtnhHops, parseRtnhHops);
    return { address: gateway, weight: Math.min(rtnhHops, MAX_RTNH_HOPS) + 1 };
  });
  return parseNextHops(hops, dst, field, 'gateway', problems);
}

function parseNeighbour(
  network: Name | undefined,
  message: { readonly dst: string; readonly lladdr: string },
  problems: Problems,
): NetlinkNeighbour | undefined {
  const dst = required(problems, 'spec.neigh.dst', message.dst, parseIpAddress);
  const forwarded = dst && parseDestination(hostPrefix(dst));
  if (forwarded?.ok === false) problems.add('spec.neigh.dst', forwarded.error);
  const lladdr = required(problems, 'spec.neigh.lladdr', message.lladdr, parseMacAddress);
  return network && dst && lladdr && { kind: 'neigh', network, dst, lladdr };
}

function parseFdbEntry(
  network: Name | undefined,
  port: string,
  address: string,
  problems: Problems,
): NetlinkFdbEntry | undefined {
  const name = required(problems, 'spec.port', port, parseName);
  const lladdr = required(problems, 'spec.fdb.lladdr', address, parseMacAddress);
  return network && name && lladdr && { kind: 'fdb', network, port: name, lladdr };
}

function parseAddress(
  network: Name | undefined,
  message: AddressMessage,
  problems: Problems,
): NetlinkAddress | undefined {
  const { ifaPrefixlen: prefixLength } = message;
  const address = required(problems, 'spec.addr.address', message.address, parseIpAddress);
  if (!address) return undefined;
  const longest = ipFamily(address) === 4 ? 30 : 126;
  if (prefixLength < SHORTEST_PREFIX || prefixLength > longest) {
    problems.add('spec.addr.ifaPrefixlen', `must be ${SHORTEST_PREFIX} to ${longest}`);
    return undefined;
  }
  const prefix = parseSubnetPrefix(prefixOf(address, prefixLength));
  if (!prefix.ok) problems.add('spec.addr.address', prefix.error);
  else if (!rangeContains(hostRange(prefix.value), address)) {
    problems.add('spec.addr.address', `must be a host address of ${prefix.value}`);
  }
  return network && { kind: 'addr', network, address, prefixLength };
}
