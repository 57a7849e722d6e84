import type { Dhcp as DhcpMessage, SubnetSpec as SubnetSpecMessage } from '@outboard/contracts';
import { err, ok, type Problems } from '@outboard/core';
import { all, atMost, distinct, optional, required } from '../../fields.js';
import {
  type IpAddress,
  type IpFamily,
  type IpPrefix,
  ipFamily,
  parseIpAddress,
  parseIpPrefix,
  prefixLength,
} from '../../ip.js';
import { type Parser, parseHostName } from '../../values.js';
import type { Dhcp, HostRoute, RouterAdvertisement, SubnetSpec } from './spec.js';

/** As many as resolvers use (resolv.conf(5)). */
export const MAX_SERVERS = 3;
export const MAX_HOST_ROUTES = 16;
const MIN_LEASE_SECONDS = 60;
const MAX_LEASE_SECONDS = 604_800;
const DEFAULT_LEASE_SECONDS = 86_400;
/** No less than advertisements come (RFC 4861 section 6.2.1). */
const MIN_ROUTER_LIFETIME_SECONDS = 600;
const MAX_ROUTER_LIFETIME_SECONDS = 9000;
const DEFAULT_ROUTER_LIFETIME_SECONDS = 1800;

type Parsed = Pick<SubnetSpec, 'dhcp' | 'routerAdvertisement' | 'dnsServers' | 'domainName'>;

/** What ports of a subnet are told. `cidr` undefined: it is malformed. */
export function parseHostConfiguration(
  message: SubnetSpecMessage,
  cidr: IpPrefix | undefined,
  parseHostAddress: Parser<string, IpAddress>,
  problems: Problems,
): Parsed | undefined {
  const family = cidr && ipFamily(cidr);
  const dhcp = message.dhcp && parseDhcp(message.dhcp, family, parseHostAddress, problems);
  const advertisement = message.routerAdvertisement;
  const lifetime = optional(
    problems,
    'spec.routerAdvertisement.lifetimeSeconds',
    advertisement?.lifetimeSeconds ?? 0,
    within(MIN_ROUTER_LIFETIME_SECONDS, MAX_ROUTER_LIFETIME_SECONDS),
  );
  if (advertisement && family === 4) {
    problems.add('spec.routerAdvertisement', `must be absent: ${cidr} is an IPv4 prefix`);
  }
  const dnsServers = parseServers(message.dnsServers, 'spec.dnsServers', family, problems);
  const domainName = optional(problems, 'spec.domainName', message.domainName, parseHostName);
  if (!message.dhcp && !advertisement) {
    for (const [field, given] of [
      ['spec.dnsServers', message.dnsServers.length > 0],
      ['spec.domainName', message.domainName !== ''],
    ] as const) {
      if (given) problems.add(field, 'must be absent: without dhcp and routerAdvertisement nobody is told');
    }
  }
  if (!dnsServers || (message.dhcp && !dhcp)) return undefined;
  const routerAdvertisement: RouterAdvertisement | undefined = advertisement && {
    lifetimeSeconds: lifetime ?? DEFAULT_ROUTER_LIFETIME_SECONDS,
  };
  return { dhcp, routerAdvertisement, dnsServers, domainName };
}

function parseDhcp(
  { leaseSeconds, ntpServers: servers, routes: messages }: DhcpMessage,
  family: IpFamily | undefined,
  parseHostAddress: Parser<string, IpAddress>,
  problems: Problems,
): Dhcp | undefined {
  const lease = optional(
    problems,
    'spec.dhcp.leaseSeconds',
    leaseSeconds,
    within(MIN_LEASE_SECONDS, MAX_LEASE_SECONDS),
  );
  const ntpServers = parseServers(servers, 'spec.dhcp.ntpServers', family, problems);
  const field = 'spec.dhcp.routes';
  if (family === 6 && messages.length > 0) problems.add(field, 'must be absent: DHCPv6 tells no routes');
  atMost(problems, field, messages, MAX_HOST_ROUTES);
  const parsed = messages.map(({ destination, nextHop }, index): HostRoute | undefined => {
    const prefix = required(problems, `${field}[${index}].destination`, destination, parseDestination);
    const hop = required(problems, `${field}[${index}].nextHop`, nextHop, parseHostAddress);
    return prefix && hop && { destination: prefix, nextHop: hop };
  });
  distinct(
    problems,
    parsed,
    (route) => route?.destination,
    (index) => `${field}[${index}].destination`,
  );
  const routes = all(parsed);
  return ntpServers && routes && { leaseSeconds: lease ?? DEFAULT_LEASE_SECONDS, ntpServers, routes };
}

const parseDestination: Parser<string, IpPrefix> = (text) => {
  const prefix = parseIpPrefix(text);
  if (!prefix.ok) return prefix;
  if (ipFamily(prefix.value) !== 4) return err('must be an IPv4 prefix');
  return prefixLength(prefix.value) > 0 ? prefix : err('must not be the default route: the gateway is that');
};

function parseServers(
  texts: readonly string[],
  field: string,
  family: IpFamily | undefined,
  problems: Problems,
): readonly IpAddress[] | undefined {
  atMost(problems, field, texts, MAX_SERVERS);
  const parse: Parser<string, IpAddress> = (text) => {
    const address = parseIpAddress(text);
    if (!address.ok || family === undefined || ipFamily(address.value) === family) return address;
    return err(`must be an IPv${family} address, as the subnet is`);
  };
  const servers = texts.map((text, index) => required(problems, `${field}[${index}]`, text, parse));
  distinct(
    problems,
    servers,
    (server) => server,
    (index) => `${field}[${index}]`,
  );
  return all(servers);
}

const within =
  (minimum: number, maximum: number): Parser<number, number> =>
  (value) =>
    minimum <= value && value <= maximum ? ok(value) : err(`must be ${minimum} to ${maximum}`);
