import { create } from '@bufbuild/protobuf';
import {
  type ExternalGateway as ExternalGatewayMessage,
  type RouteNextHop as RouteNextHopMessage,
  type RouterSpec as RouterSpecMessage,
  RouterSpecSchema,
  type StaticRoute as StaticRouteMessage,
} from '@outboard/contracts';
import { err, ok, type Problems, unwrap } from '@outboard/core';
import { all, atMost, distinct, oneOf, optional, required } from '../../fields.js';
import { type IpPrefix, ipFamily, parseIpAddress, parseIpPrefix, prefixesOverlap } from '../../ip.js';
import type { Parser } from '../../values.js';
import {
  type ExternalGateway,
  IP_FAMILIES,
  type IpFamilyName,
  type RouteNextHop,
  type RouterSpec,
  SOURCE_NATS,
  type StaticRoute,
} from './spec.js';

export const MAX_ROUTES = 256;
export const MAX_NEXT_HOPS = 16;
export const MAX_WEIGHT = 256;

/** Where a packet goes when nothing else matches. */
const DEFAULT_DESTINATIONS: readonly string[] = ['0.0.0.0/0', '::/0'];

/** What routers never forward (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.6). */
const UNROUTABLE = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::1/128', 'fe80::/10', 'ff00::/8'].map(
  (prefix) => unwrap(parseIpPrefix(prefix)),
);

const parseSourceNat = oneOf(SOURCE_NATS);
const parseIpFamily = oneOf(IP_FAMILIES);

export const DEFAULT_IP_FAMILIES: readonly IpFamilyName[] = ['IPV4'];

const parseWeight: Parser<number, number> = (value) =>
  value <= MAX_WEIGHT ? ok(value) : err(`must be 1 to ${MAX_WEIGHT}`);

/** A prefix that routers forward to. */
export const parseDestination: Parser<string, IpPrefix> = (text) => {
  const prefix = parseIpPrefix(text);
  if (!prefix.ok || DEFAULT_DESTINATIONS.includes(prefix.value)) return prefix;
  const reserved = UNROUTABLE.find((each) => prefixesOverlap(each, prefix.value));
  return reserved === undefined ? prefix : err(`must not overlap ${reserved}, which is never forwarded`);
};

function parseNextHop(
  { address, weight }: Pick<RouteNextHopMessage, 'address' | 'weight'>,
  field: string,
  addressField: string,
  problems: Problems,
): RouteNextHop | undefined {
  const parsed = required(problems, `${field}.${addressField}`, address, parseIpAddress);
  const parsedWeight = optional(problems, `${field}.weight`, weight, parseWeight) ?? 1;
  return parsed && { address: parsed, weight: parsedWeight };
}

/** At most `MAX_NEXT_HOPS`, each once, of the family of the destination. `addressField`: what the address is called. */
export function parseNextHops(
  messages: readonly Pick<RouteNextHopMessage, 'address' | 'weight'>[],
  destination: IpPrefix | undefined,
  field: string,
  addressField: string,
  problems: Problems,
): readonly RouteNextHop[] | undefined {
  atMost(problems, field, messages, MAX_NEXT_HOPS);
  const fieldOf = (index: number): string => `${field}[${index}].${addressField}`;
  const hops = messages.map((hop, index) => parseNextHop(hop, `${field}[${index}]`, addressField, problems));
  for (const [index, hop] of hops.entries()) {
    if (!hop || !destination || ipFamily(hop.address) === ipFamily(destination)) continue;
    problems.add(fieldOf(index), `must be an IPv${ipFamily(destination)} address, as the destination is`);
  }
  distinct(problems, hops, (hop) => hop?.address, fieldOf);
  return all(hops);
}

function parseRoute(message: StaticRouteMessage, field: string, problems: Problems): StaticRoute | undefined {
  const destination = required(problems, `${field}.destination`, message.destination, parseDestination);
  const hopsField = `${field}.nextHops`;
  if (message.nextHops.length === 0) problems.add(hopsField, 'is required');
  const nextHops = parseNextHops(message.nextHops, destination, hopsField, 'address', problems);
  return destination && nextHops && { destination, nextHops };
}

function parseExternalGateway(
  { sourceNat, ipFamilies }: ExternalGatewayMessage,
  problems: Problems,
): ExternalGateway | undefined {
  const parsed = required(problems, 'spec.externalGateway.sourceNat', sourceNat, parseSourceNat);
  const fieldOf = (index: number): string => `spec.externalGateway.ipFamilies[${index}]`;
  const found = ipFamilies.map((text, index) => required(problems, fieldOf(index), text, parseIpFamily));
  distinct(problems, found, (family) => family, fieldOf);
  const families = all(found);
  if (parsed === undefined || families === undefined) return undefined;
  // In one order, so that equal ones are equal.
  const asked = IP_FAMILIES.filter((family) => families.includes(family));
  return { sourceNat: parsed, ipFamilies: asked.length > 0 ? asked : DEFAULT_IP_FAMILIES };
}

export function parseRouterSpec(
  message: RouterSpecMessage = create(RouterSpecSchema),
  problems: Problems,
): RouterSpec | undefined {
  const field = 'spec.routes';
  atMost(problems, field, message.routes, MAX_ROUTES);
  const parsed = message.routes.map((route, index) => parseRoute(route, `${field}[${index}]`, problems));
  const destinationField = (index: number): string => `${field}[${index}].destination`;
  distinct(problems, parsed, (route) => route?.destination, destinationField);
  const externalGateway = message.externalGateway && parseExternalGateway(message.externalGateway, problems);
  for (const [index, route] of parsed.entries()) {
    if (message.externalGateway && route && DEFAULT_DESTINATIONS.includes(route.destination)) {
      problems.add(destinationField(index), 'must not be the default route: the external gateway is that');
    }
  }
  const routes = all(parsed);
  return routes && { routes, externalGateway };
}
