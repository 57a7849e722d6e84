import type { AddressGroup, Rule, RuleCidr, RulePeer, RuleService, RuleSet } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import type { Resolve } from '../driver.js';
import { type IpFamily, type Prefix, parsePrefix } from './addresses.js';

export const POLICY_DIRECTIONS = ['ingress', 'egress'] as const;
export type PolicyDirection = (typeof POLICY_DIRECTIONS)[number];

export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 } as const;
const MAX_PORT = 65535;
/** Bytes of a port's name, less one. */
const MAX_NAME = 15;

/** `PASS`: no further rule set of tier ADMIN is asked. */
export type RuleAction = 'ALLOW' | 'DENY' | 'PASS';

/** A rule whose fields are parsed. */
export interface ParsedRule {
  readonly name: string;
  readonly action: RuleAction;
  /** Who is at the other end; empty: anybody. */
  readonly peers: readonly ParsedPeer[];
  /** What is reached; empty: everything. */
  readonly services: readonly ParsedService[];
}

export type ParsedPeer =
  | { readonly kind: 'group'; readonly key: string; readonly prefixes: boolean }
  | { readonly kind: 'prefix'; readonly prefix: Prefix; readonly except: readonly Prefix[] };

export type ParsedService =
  /** Without `ports`: all of them. Both ends are included. */
  | { readonly kind: 'ports'; readonly protocol: number; readonly ports?: readonly [number, number] }
  | { readonly kind: 'named'; readonly protocol: number; readonly portName: string }
  /** Without `type`, all of them; without `code`, all of that type. */
  | { readonly kind: 'icmp'; readonly family: IpFamily; readonly type?: number; readonly code?: number };

/** The groups that a rule set means, by their keys; or the first that is in no document. */
export type Groups =
  | { readonly kind: 'known'; readonly groups: ReadonlyMap<string, AddressGroup> }
  | { readonly kind: 'missing'; readonly key: string };

export const groupsOf = ({ ingress, egress }: RuleSet): string[] => [
  ...new Set(
    [...ingress, ...egress]
      .flatMap(({ peers }) => peers)
      .flatMap(({ peer }) => (peer.case === 'addressGroup' ? [peer.value] : [])),
  ),
];

export function resolveGroups(keys: readonly string[], resolve: Resolve): Groups {
  const groups = new Map<string, AddressGroup>();
  for (const key of keys) {
    const group = resolve(key)?.object;
    if (group?.case !== 'addressGroup') return { kind: 'missing', key };
    groups.set(key, group.value);
  }
  return { kind: 'known', groups };
}

/** The rules of a direction; what is wrong with them is added to `problems`. */
export const parseRules = (
  set: RuleSet,
  direction: PolicyDirection,
  groups: ReadonlyMap<string, AddressGroup>,
  problems: Problems,
): ParsedRule[] =>
  set[direction].map((rule, index) => parseRule(rule, groups, `${direction}[${index}]`, problems));

function parseRule(
  { name, action, peers, services }: Rule,
  groups: ReadonlyMap<string, AddressGroup>,
  field: string,
  problems: Problems,
): ParsedRule {
  const known = action === 'ALLOW' || action === 'DENY' || action === 'PASS';
  if (!known) problems.add(`${field}.action`, 'must be one of ALLOW, DENY, PASS');
  return {
    name,
    action: known ? action : 'DENY',
    peers: peers.flatMap((peer, index) => parsePeer(peer, groups, `${field}.peers[${index}]`, problems)),
    services: services.flatMap((service, index) =>
      parseService(service, `${field}.services[${index}]`, problems),
    ),
  };
}

type NamedPort = Extract<ParsedService, { kind: 'named' }>;

/** Rules as they are to be while a group or the named ports that some of them mean are not complete. */
export interface ClosedRules {
  readonly rules: readonly ParsedRule[];
  /** Keys of these groups. */
  readonly groups: readonly string[];
  readonly namedPorts: readonly NamedPort[];
}

/**
 * Whoever is missing in a group is not denied by a rule that denies it, and not passed on by one that does that: as long as
 * somebody is, everybody may be. Undefined: no rule of these lets anything through on that account.
 */
export function closedRules(rules: readonly ParsedRule[]): ClosedRules | undefined {
  const groups = new Set<string>();
  const namedPorts: NamedPort[] = [];
  const closed = rules.map((rule): ParsedRule => {
    if (rule.action === 'ALLOW') return rule;
    const meant = rule.peers.flatMap((peer) => (peer.kind === 'group' ? [peer.key] : []));
    const named = rule.services.filter((service) => service.kind === 'named');
    if (meant.length + named.length === 0) return rule;
    for (const key of meant) groups.add(key);
    namedPorts.push(...named);
    return {
      name: rule.name,
      action: 'DENY',
      peers: meant.length > 0 ? [] : rule.peers,
      services: rule.services.map((service) =>
        service.kind === 'named' ? { kind: 'ports', protocol: service.protocol } : service,
      ),
    };
  });
  return groups.size + namedPorts.length > 0 ? { rules: closed, groups: [...groups], namedPorts } : undefined;
}

function parsePeer(
  { peer }: RulePeer,
  groups: ReadonlyMap<string, AddressGroup>,
  field: string,
  problems: Problems,
): ParsedPeer[] {
  if (peer.case === 'addressGroup') {
    const group = groups.get(peer.value);
    // One that is not known is waited for before this is asked.
    return group === undefined ? [] : [{ kind: 'group', key: peer.value, prefixes: group.prefixes }];
  }
  if (peer.case === 'cidr') return parseCidr(peer.value, `${field}.cidr`, problems);
  problems.add(field, 'must be a group or a prefix');
  return [];
}

function parseCidr({ prefix: text, except }: RuleCidr, field: string, problems: Problems): ParsedPeer[] {
  const prefix = parsePrefix(text);
  if (prefix === undefined) problems.add(`${field}.prefix`, 'must be an IPv4 or IPv6 prefix');
  const exceptions = except.flatMap((each, index) => {
    const parsed = parsePrefix(each);
    if (parsed === undefined || (prefix !== undefined && parsed.bits !== prefix.bits)) {
      problems.add(`${field}.except[${index}]`, 'must be a prefix of the same family');
    }
    return parsed ?? [];
  });
  return prefix === undefined ? [] : [{ kind: 'prefix', prefix, except: exceptions }];
}

function parseService(service: RuleService, field: string, problems: Problems): ParsedService[] {
  const { protocol, firstPort, lastPort, portName, icmpType: type, icmpCode: code } = service;
  switch (protocol) {
    case PROTOCOL.TCP:
    case PROTOCOL.UDP:
      if (portName !== '') {
        if (Buffer.byteLength(portName) > MAX_NAME)
          problems.add(`${field}.portName`, `must be shorter than ${MAX_NAME + 1}`);
        return [{ kind: 'named', protocol, portName }];
      }
      if (firstPort === 0) return [{ kind: 'ports', protocol }];
      if (firstPort > lastPort || lastPort > MAX_PORT) problems.add(field, 'must have ports from 1 to 65535');
      return [{ kind: 'ports', protocol, ports: [firstPort, lastPort] }];
    case PROTOCOL.ICMP:
    case PROTOCOL.ICMPv6:
      return [
        {
          kind: 'icmp',
          family: protocol === PROTOCOL.ICMP ? 4 : 6,
          ...(type === undefined ? {} : { type }),
          ...(type === undefined || code === undefined ? {} : { code }),
        },
      ];
    default:
      problems.add(`${field}.protocol`, 'must be 1, 6, 17 or 58');
      return [];
  }
}
