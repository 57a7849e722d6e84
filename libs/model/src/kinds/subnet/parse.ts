import { create } from '@bufbuild/protobuf';
import {
  type AllocationRange as AllocationRangeMessage,
  type SubnetSpec as SubnetSpecMessage,
  SubnetSpecSchema,
} from '@outboard/contracts';
import { err, ok, type Problems, unwrap } from '@outboard/core';
import { EUI64_PREFIX_LENGTH } from '../../eui64.js';
import { all, atMost, oneOf, optional, required } from '../../fields.js';
import {
  addressBits,
  hostRange,
  type IpAddress,
  type IpPrefix,
  type IpRange,
  ipFamily,
  ipFromNumber,
  ipToNumber,
  parseIpAddress,
  parseIpPrefix,
  prefixesOverlap,
  prefixLength,
  rangeContains,
  rangesOverlap,
} from '../../ip.js';
import { type Parser, parseName } from '../../values.js';
import { parseHostConfiguration } from './parse-host-configuration.js';
import { checkReservations, parseReservations } from './parse-reservations.js';
import { allocationRange, gatewayOf } from './ranges.js';
import { ALLOCATION_MODES, type AllocationRange, type SubnetSpec } from './spec.js';

export const MAX_ALLOCATION_RANGES = 16;
/** A week. */
const MAX_RETENTION_SECONDS = 604_800;

const parseAllocationMode = oneOf(ALLOCATION_MODES);

const parseRetention: Parser<number, number> = (value) =>
  value <= MAX_RETENTION_SECONDS ? ok(value) : err(`must be at most ${MAX_RETENTION_SECONDS}`);

/** Addresses that mean something else than a host of a subnet (IANA special-purpose address registries). */
const SPECIAL_PREFIXES: readonly (readonly [prefix: IpPrefix, use: string])[] = (
  [
    ['0.0.0.0/8', 'this network'],
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local'],
    ['224.0.0.0/3', 'multicast and reserved'],
    ['::/8', 'unspecified, loopback and IPv4-mapped'],
    ['100::/64', 'discard-only'],
    ['fe80::/10', 'link-local'],
    ['ff00::/8', 'multicast'],
  ] as const
).map(([prefix, use]) => [unwrap(parseIpPrefix(prefix)), use]);

/** A prefix that hosts can live in. */
export const parseSubnetPrefix: Parser<string, IpPrefix> = (text) => {
  const prefix = parseIpPrefix(text);
  if (!prefix.ok) return prefix;
  const longest = addressBits(ipFamily(prefix.value)) - 2;
  if (prefixLength(prefix.value) > longest) {
    return err(`must have room for a gateway and a host: a prefix length of at most ${longest}`);
  }
  const special = SPECIAL_PREFIXES.find(([reserved]) => prefixesOverlap(reserved, prefix.value));
  return special === undefined ? prefix : err(`must not overlap ${special[0]} (${special[1]})`);
};

const rangeText = ({ family, first, last }: IpRange): string =>
  `${ipFromNumber(family, first)}-${ipFromNumber(family, last)}`;

/** A host address of the subnet; any address when the subnet is not known because it is malformed. */
const parseHostAddress =
  (hosts: IpRange | undefined): Parser<string, IpAddress> =>
  (text) => {
    const address = parseIpAddress(text);
    if (!address.ok || hosts === undefined || rangeContains(hosts, address.value)) return address;
    return err(`must be a host address of the subnet, ${rangeText(hosts)}`);
  };

function parseAllocationRange(
  message: AllocationRangeMessage,
  field: string,
  hosts: IpRange | undefined,
  problems: Problems,
): AllocationRange | undefined {
  const start = required(problems, `${field}.start`, message.start, parseHostAddress(hosts));
  const end = required(problems, `${field}.end`, message.end, parseHostAddress(hosts));
  if (start === undefined || end === undefined) return undefined;
  if (ipFamily(start) !== ipFamily(end)) {
    problems.add(`${field}.end`, `must be an IPv${ipFamily(start)} address, as start is`);
    return undefined;
  }
  if (ipToNumber(start) > ipToNumber(end)) {
    problems.add(`${field}.end`, `must not be before start, ${start}`);
    return undefined;
  }
  return { start, end };
}

/** At most 16 ranges of host addresses that do not overlap. */
function parseRanges(
  messages: readonly AllocationRangeMessage[],
  field: string,
  hosts: IpRange | undefined,
  problems: Problems,
): readonly AllocationRange[] | undefined {
  atMost(problems, field, messages, MAX_ALLOCATION_RANGES);
  const ranges = messages.map((range, index) =>
    parseAllocationRange(range, `${field}[${index}]`, hosts, problems),
  );
  checkOverlaps(ranges, field, problems);
  return all(ranges);
}

export function parseSubnetSpec(
  message: SubnetSpecMessage = create(SubnetSpecSchema),
  problems: Problems,
): SubnetSpec | undefined {
  const network = required(problems, 'spec.network', message.network, parseName);
  const cidr = required(problems, 'spec.cidr', message.cidr, parseSubnetPrefix);
  const hosts = cidr && hostRange(cidr);
  const gateway = optional(problems, 'spec.gateway', message.gateway, parseHostAddress(hosts));
  const allocationRanges = parseRanges(message.allocationRanges, 'spec.allocationRanges', hosts, problems);
  const excludedRanges = parseRanges(message.excludedRanges, 'spec.excludedRanges', hosts, problems);
  const reservations = parseReservations(message.reservations, parseHostAddress(hosts), problems);
  const retention = optional(problems, 'spec.retentionSeconds', message.retentionSeconds, parseRetention);
  const mode = optional(problems, 'spec.allocationMode', message.allocationMode, parseAllocationMode);
  const allocationMode = mode ?? 'LOWEST';
  const configuration = parseHostConfiguration(message, cidr, parseHostAddress(hosts), problems);
  if (cidr) {
    const own = gateway ?? gatewayOf({ cidr, gateway });
    checkReservations(reservations, own, excludedRanges ?? [], problems);
    if (allocationMode === 'EUI64') checkEui64(cidr, message.allocationRanges, problems);
  }
  const reserved = all(reservations);
  if (!network || !cidr || !allocationRanges || !excludedRanges || !reserved || !configuration)
    return undefined;
  return {
    network,
    cidr,
    gateway,
    allocationRanges,
    excludedRanges,
    reservations: reserved,
    retentionSeconds: retention ?? 0,
    allocationMode,
    ...configuration,
  };
}

/** What is made of a MAC address needs 64 bits, and is where it is. */
function checkEui64(cidr: IpPrefix, ranges: readonly unknown[], problems: Problems): void {
  if (ipFamily(cidr) !== 6 || prefixLength(cidr) !== EUI64_PREFIX_LENGTH) {
    problems.add(
      'spec.allocationMode',
      `must be LOWEST: EUI64 needs an IPv6 prefix of length 64, not ${cidr}`,
    );
  }
  if (ranges.length > 0) problems.add('spec.allocationRanges', 'must be absent with allocation mode EUI64');
}

function checkOverlaps(
  ranges: readonly (AllocationRange | undefined)[],
  field: string,
  problems: Problems,
): void {
  const numbers = ranges.slice(0, MAX_ALLOCATION_RANGES).map((range) => range && allocationRange(range));
  for (const [index, range] of numbers.entries()) {
    const other = numbers.findIndex(
      (candidate, position) => position < index && range && candidate && rangesOverlap(range, candidate),
    );
    if (other >= 0) problems.add(`${field}[${index}]`, `must not overlap ${field}[${other}]`);
  }
}
