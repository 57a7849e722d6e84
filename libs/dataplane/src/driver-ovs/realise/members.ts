import { ipBytes } from '@outboard/netlink';
import type { DriverObject } from '../../driver.js';
import { ipVersion } from '../../realise/realise-encapsulation.js';
import { type Member, otherMacs, pairNeighbours } from '../../realise/segment.js';
import type { Action } from '../openflow/actions.js';
import type { Match } from '../openflow/fields.js';
import {
  bucketKey,
  containerOf,
  flowKey,
  groupKey,
  identity,
  kindOfFlow,
  type OvsSpec,
  PIPELINE_KEY,
  portKey,
  shortIdentity,
  TABLE,
} from './ovs-objects.js';
import { ARP_REQUEST, FROM_HERE, IS, ND } from './pipeline.js';
import { floodGroup, type Segment, sharedGroup } from './segment.js';

type Objects = readonly DriverObject<OvsSpec>[];

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const IPV6_MULTICAST = '33:33:00:00:00:00/ff:ff:00:00:00:00';

export function flowObject(
  table: number,
  priority: number,
  match: Match,
  actions: readonly Action[],
  after: readonly string[],
): DriverObject<OvsSpec> {
  const place = { table, priority, match };
  const within = containerOf(place);
  return {
    key: flowKey(place),
    spec: { kind: kindOfFlow(place), ...place, actions },
    after: within === undefined ? after : [within, ...after],
    ...(within === undefined ? {} : { within }),
  };
}

/** How packets for a member leave, also copies of those that are for all. `when`: besides being for it. */
export function reachObjects(
  segment: Segment,
  member: string,
  when: Match,
  actions: readonly Action[],
  after: readonly string[],
): Objects {
  return [
    flowObject(TABLE.OUTPUT, 10, { metadata: segment.metadata, xreg0: member, ...when }, actions, [
      PIPELINE_KEY,
      ...after,
    ]),
    bucketObject(floodGroup(segment), member),
  ];
}

/** Another DPU, as who gets packets. */
export const peerMember = (destination: string): string => identity('peer', destination);

/** The way to another DPU, where copies of what is for all go, too. */
export function peerObjects(segment: Segment, destination: string): Objects {
  const { tunnel } = segment;
  if (tunnel === undefined) return [];
  const { port, vni } = tunnel;
  const address = ipVersion(destination) === 4 ? 'tun_dst' : 'tun_ipv6_dst';
  return reachObjects(
    segment,
    peerMember(destination),
    FROM_HERE,
    [
      { resubmit: TABLE.COMMIT },
      { set: 'tun_id', to: vni },
      { set: address, to: destination },
      { output: port },
    ],
    [portKey(port)],
  );
}

/** The way to another DPU alone, whoever wants it; that copies go there is for the peer to say. */
export const wayTo = (segment: Segment, destination: string): Objects =>
  peerObjects(segment, destination).filter(({ spec }) => spec.kind === 'flow');

function bucketObject(group: number, member: string): DriverObject<OvsSpec> {
  const id = shortIdentity('member', member);
  const actions: readonly Action[] = [{ set: 'xreg0', to: member }, { resubmit: TABLE.OUTPUT }];
  return {
    key: bucketKey(group, id),
    spec: { kind: 'bucket', group, id, actions },
    after: [groupKey(group)],
    within: groupKey(group),
  };
}

/** How a member is known: frames for its MAC address go to it, and who asks for its addresses is answered. */
export function memberFlows(
  { metadata }: Segment,
  member: string,
  mac: string,
  addresses: readonly string[],
): Objects {
  return [
    flowObject(
      TABLE.FORWARD,
      20,
      { metadata, eth_dst: mac },
      [{ set: 'xreg0', to: member }, { goto: TABLE.OUTPUT }],
      [],
    ),
    ...addresses.flatMap((address) => neighbourFlows(metadata, address, mac)),
  ];
}

/** Who asks everybody for an address is answered; `asked`: who asks that MAC address. */
export const answerFlow = (
  metadata: string,
  address: string,
  mac: string,
  asked?: string,
): DriverObject<OvsSpec> =>
  flowObject(
    TABLE.ANSWERS,
    10,
    { metadata, ...questionFor(address), ...(asked === undefined ? {} : { eth_dst: asked }) },
    [{ set: 'xreg3', to: mac }, { goto: TABLE.REPLY }],
    [],
  );

/** The registers that have the next hop of a routed packet: xreg2 for IPv4, xxreg2, which is xreg4 and xreg5, for IPv6. */
export function nextHopOf(address: string): Match {
  const digits = Buffer.from(ipBytes(address)).toString('hex');
  return digits.length === 8
    ? { xreg2: `0x00000000${digits}` }
    : { xreg4: `0x${digits.slice(0, 16)}`, xreg5: `0x${digits.slice(16)}` };
}

/** Who has an address, for those who ask and for the gateways. */
export const neighbourFlows = (metadata: string, address: string, mac: string): Objects => [
  answerFlow(metadata, address, mac),
  flowObject(
    TABLE.NEIGHBOURS,
    10,
    { metadata, ...nextHopOf(address) },
    [{ set: 'eth_dst', to: mac }, { goto: TABLE.GATEWAYS }],
    [],
  ),
];

/** What somebody sends who wants to know who has an address. Who knows already, and asks him, is not answered. */
export const questionFor = (address: string): Match =>
  address.includes(':')
    ? { ...IS.icmpv6(ND.SOLICITATION), eth_dst: IPV6_MULTICAST, nd_target: address }
    : { ...IS.arp, eth_dst: BROADCAST, arp_op: ARP_REQUEST, arp_tpa: address };

/**
 * How a member is known by its allowed pairs. Of several ports with the same MAC address, nobody knows who uses it now:
 * all of them get what is for it. Who has which host address is a guess.
 */
export function pairObjects(segment: Segment, member: string, known: Member): Objects {
  const { metadata } = segment;
  const neighbours = pairNeighbours(known)
    .flatMap(({ address, mac }) => neighbourFlows(metadata, address, mac))
    .map((object): DriverObject<OvsSpec> => ({ ...object, guess: true }));
  const shared = [...otherMacs(known.mac, known.pairs)].flatMap((other) => {
    const group = sharedGroup(segment, other);
    return [
      { key: groupKey(group), spec: { kind: 'group', id: group, type: 'all' }, after: [] } as const,
      bucketObject(group, member),
      flowObject(TABLE.FORWARD, 15, { metadata, eth_dst: other }, [{ group }], [groupKey(group)]),
    ];
  });
  return [...shared, ...neighbours];
}
