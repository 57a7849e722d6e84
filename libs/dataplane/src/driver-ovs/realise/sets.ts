import type { AddressGroupMember, DestinationPort } from '@outboard/contracts';
import type { DriverObject, Realisation, Resolve } from '../../driver.js';
import { formatPrefix, type IpFamily, type Prefix } from '../../realise/addresses.js';
import { parseMember } from '../../realise/parse-member.js';
import type { ParsedPeer } from '../../realise/parse-rule.js';
import type { Match } from '../openflow/fields.js';
import { flowObject } from './members.js';
import { flowKey, identity, type OvsSpec, setPlace, TABLE } from './ovs-objects.js';
import { ASKED, IN_CONNECTION, IS } from './pipeline.js';

type Objects = readonly DriverObject<OvsSpec>[];

/**
 * Sets are asked one by one, by their number in xreg1: xreg5 tells then whether the connection's peer, or what it
 * reaches, is in one of those that were asked. Exceptions are members that say nothing, above what they are excepted from.
 */
const FOUND = { set: 'xreg5', to: '0x0000000000000001' } as const;
export const NOT_FOUND = { set: 'xreg5', to: '0x0000000000000000' } as const;
const PRIORITY = { MEMBER: 10, EXCEPTION: 20 } as const;

const FAMILY: Readonly<Record<IpFamily, Match>> = { 4: IS.ipv4, 6: IS.ipv6 };
const ADDRESS = {
  4: { source: 'ct_nw_src', destination: 'ct_nw_dst' },
  6: { source: 'ct_ipv6_src', destination: 'ct_ipv6_dst' },
} as const;

const groupSet = (groupKey: string): string => identity('group', groupKey);
const namedSet = (router: string, protocol: number, name: string): string =>
  identity('named', router, String(protocol), name);
/** The keys of the flows that stand for them. */
export const groupSetKey = (groupKey: string): string => flowKey(setPlace(groupSet(groupKey)));
export const namedSetKey = (...of: Parameters<typeof namedSet>): string => flowKey(setPlace(namedSet(...of)));
const prefixSet = (prefix: Prefix, except: readonly Prefix[]): string =>
  identity('prefix', ...[prefix, ...except].map(formatPrefix));

const setObject = (set: string): DriverObject<OvsSpec> => {
  const { table, priority, match } = setPlace(set);
  return flowObject(table, priority, match, [], []);
};

/** Of a set that others tell, rules do not know who is in it. */
const asPart = (member: DriverObject<OvsSpec>): DriverObject<OvsSpec> => ({
  ...member,
  ...(member.within !== undefined && { partOf: member.within }),
});

/** Those whose connection's other end has such an address: who opened it where it is accepted, else what it reaches. */
const peerFlows = (set: string, prefix: Prefix, priority: number): Objects =>
  (['ingress', 'egress'] as const).map((direction) => {
    const family = prefix.bits === 32 ? 4 : 6;
    const field = ADDRESS[family][direction === 'ingress' ? 'source' : 'destination'];
    const match = { xreg1: set, xreg2: ASKED[direction], ...IN_CONNECTION, ...FAMILY[family] };
    return flowObject(
      TABLE.SETS,
      priority,
      { ...match, ...addressMatch(field, prefix) },
      priority === PRIORITY.MEMBER ? [FOUND] : [],
      [],
    );
  });

/** A field whose mask is empty is not matched at all. */
function addressMatch(field: keyof Match, prefix: Prefix): Match {
  if (prefix.length === 0) return {};
  return { [field]: prefix.length === prefix.bits ? prefix.address : formatPrefix(prefix) };
}

export const groupObjects = (groupKey: string): Objects => [setObject(groupSet(groupKey))];

/** A member of a group, for each direction, and what it calls its ports. */
export function memberObjects(
  member: AddressGroupMember,
  resolve: Resolve,
  routerOf: (key: string) => string,
): Realisation<OvsSpec> {
  const references = [member.addressGroup];
  const parsed = parseMember(member, resolve);
  if (parsed.kind === 'missing') return { kind: 'missing', dependency: parsed.key, references };
  const { router, prefix } = parsed;
  const objects = [
    ...peerFlows(groupSet(member.addressGroup), prefix, PRIORITY.MEMBER).map(asPart),
    ...namedPortObjects(routerOf(router), prefix, member.namedPorts),
  ];
  return { kind: 'realised', objects, references };
}

/** What an address calls its ports; whoever tells it, it is the same. */
export const namedPortObjects = (
  router: string,
  address: Prefix,
  namedPorts: readonly DestinationPort[],
): Objects =>
  namedPorts.flatMap(({ name, protocol, port }) => {
    const set = namedSet(router, protocol, name);
    const family = address.bits === 32 ? 4 : 6;
    const match: Match = {
      xreg1: set,
      ...IN_CONNECTION,
      ...FAMILY[family],
      ct_nw_proto: protocol,
      ...addressMatch(ADDRESS[family].destination, address),
      ct_tp_dst: port,
    };
    return [setObject(set), asPart(flowObject(TABLE.SETS, PRIORITY.MEMBER, match, [FOUND], []))];
  });

/** A set that is asked, and what has to be there for that. */
export interface AskedSet {
  readonly number: string;
  /** Its own objects; of groups and names, which others tell, only the set itself. */
  readonly objects: Objects;
}

export function peerSet(peer: ParsedPeer): AskedSet {
  if (peer.kind === 'group') {
    const number = groupSet(peer.key);
    return { number, objects: [setObject(number)] };
  }
  const { prefix, except } = peer;
  const number = prefixSet(prefix, except);
  return {
    number,
    objects: [
      setObject(number),
      ...peerFlows(number, prefix, PRIORITY.MEMBER),
      ...except.flatMap((each) => peerFlows(number, each, PRIORITY.EXCEPTION)),
    ],
  };
}

export function namedPortSet(router: string, protocol: number, name: string): AskedSet {
  const number = namedSet(router, protocol, name);
  return { number, objects: [setObject(number)] };
}
