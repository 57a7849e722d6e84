import { GATEWAY_LINK_LOCAL } from '../../host-configuration/responder-spec.js';
import type { Flow } from '../openflow/messages.js';
import { ALLOWED, DENIED, PASSED, TABLE, UNDECIDED } from './ovs-objects.js';

/** Changes with the flows below; those of another revision are replaced. */
export const PIPELINE_REVISION = 3;

const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
export const ND = {
  ROUTER_ADVERTISEMENT: 134,
  SOLICITATION: 135,
  ADVERTISEMENT: 136,
  REDIRECT: 137,
} as const;
export const ARP_REQUEST = 1;
const ARP_REPLY = 2;
/** Router flag off, solicited and override on (RFC 4861, 4.4). */
const SOLICITED_OVERRIDE = 0x60000000;
const TARGET_LINK_LAYER_ADDRESS = 2;
const DHCP_SERVER = 67;
const DHCPV6_SERVER = 547;

export const IS = {
  arp: { eth_type: ETHERTYPE.ARP },
  ipv4: { eth_type: ETHERTYPE.IPV4 },
  ipv6: { eth_type: ETHERTYPE.IPV6 },
  icmpv4: (type: number) => ({ eth_type: ETHERTYPE.IPV4, ip_proto: ICMP, icmpv4_type: type }),
  icmpv6: (type: number) => ({ eth_type: ETHERTYPE.IPV6, ip_proto: ICMPV6, icmpv6_type: type }),
} as const;
const { arp, ipv4, ipv6, icmpv6 } = IS;

/** xreg6 tells whether a packet came from another machine: what did is not sent on to one. */
export const FROM_OUTSIDE = { set: 'xreg6', to: '0x0000000000000001' } as const;
const FROM_OUTSIDE_IS = { xreg6: FROM_OUTSIDE.to } as const;
export const FROM_HERE = { xreg6: '0x0000000000000000' } as const;

/** Of a connection. Only then there is anything to know of it. */
export const IN_CONNECTION = { ct_state: '-inv+trk' } as const;
/** Sent by the one that opened it, or by the other. */
const ORIGINAL = { ct_state: '-rpl-inv+trk' } as const;
const ANSWERING = { ct_state: '+rpl-inv+trk' } as const;
export const OPENING = { ct_state: '+new+trk' } as const;
const UNRELATED = { ct_state: '+inv+trk' } as const;
const NOT_TRACKED = { ct_state: '-trk' } as const;

/** xreg2 tells which of a port's rules are asked, as long as they are. */
export const ASKED = { ingress: '0x0000000000000001', egress: '0x0000000000000002' } as const;

/** What is looked up in the table of verdicts besides the counters of rules. */
export const OUTCOME = {
  /** What a policy of tier ADMIN has passed on is for those of tier DEFAULT. */
  RESUME: '0x0000000000000001',
  /** What nobody has decided on is allowed. */
  OPEN: '0x0000000000000002',
} as const;

/** Neighbour discovery and multicast listeners: who may send them is told by the senders' flows. */
const DISCOVERY = [130, 131, 132, 133, 134, 135, 136, 137, 143] as const;

const ask = (direction: keyof typeof ASKED, then: number): Flow['actions'] => [
  { set: 'xreg7', to: UNDECIDED },
  { set: 'xreg2', to: ASKED[direction] },
  { resubmit: TABLE.CHAINS },
  { goto: then },
];

const flow = (
  table: number,
  priority: number,
  match: Flow['match'],
  actions: Flow['actions'] = [],
): Flow => ({
  table,
  priority,
  match,
  actions,
});

/**
 * What holds for every port: which protocols it may send at all, how answers are made of questions, and that whatever
 * nobody asked for is dropped, and counted. In `ANSWERS`, xreg3 has the MAC address that is the answer.
 */
export const PIPELINE: readonly Flow[] = [
  flow(TABLE.INGRESS, 0, {}),
  // Nothing but IP and ARP: no VLAN tags, no spanning tree, no LLDP from guests.
  flow(TABLE.PROTOCOLS, 90, { vlan_vid: '4096/4096' }),
  // Guests are no DHCP servers (RFC 7610) and no routers (RFC 6105).
  flow(TABLE.PROTOCOLS, 80, { ...ipv4, ip_proto: UDP, udp_src: DHCP_SERVER }),
  flow(TABLE.PROTOCOLS, 80, { ...ipv6, ip_proto: UDP, udp_src: DHCPV6_SERVER }),
  flow(TABLE.PROTOCOLS, 80, icmpv6(ND.ROUTER_ADVERTISEMENT)),
  flow(TABLE.PROTOCOLS, 80, icmpv6(ND.REDIRECT)),
  flow(TABLE.PROTOCOLS, 70, icmpv6(ND.ADVERTISEMENT), [{ goto: TABLE.TARGETS }]),
  ...[arp, ipv4, ipv6].map((match) => flow(TABLE.PROTOCOLS, 10, match, [{ goto: TABLE.SENDERS }])),
  flow(TABLE.PROTOCOLS, 0, {}),
  // The gateways' link-local address is nobody else's.
  flow(TABLE.TARGETS, 90, { ...icmpv6(ND.ADVERTISEMENT), nd_target: GATEWAY_LINK_LOCAL }),
  flow(TABLE.TARGETS, 0, {}),
  flow(TABLE.SENDERS, 90, { ...ipv6, ipv6_src: GATEWAY_LINK_LOCAL }),
  flow(TABLE.SENDERS, 0, {}),
  // Whoever tries an address out wants to hear its holder, not what is known of him.
  flow(TABLE.ANSWERS, 30, { ...icmpv6(ND.SOLICITATION), ipv6_src: '::' }, [{ goto: TABLE.TRACKING }]),
  flow(TABLE.ANSWERS, 0, {}, [{ goto: TABLE.TRACKING }]),
  // Whatever has connections is tracked, by flows of its network; the rest is not for policies to judge.
  ...DISCOVERY.map((type) => flow(TABLE.TRACKING, 20, icmpv6(type), [{ goto: TABLE.FORWARD }])),
  flow(TABLE.TRACKING, 5, ipv4),
  flow(TABLE.TRACKING, 5, ipv6),
  flow(TABLE.TRACKING, 0, {}, [{ goto: TABLE.FORWARD }]),
  // Connections of the network's router have its mark. Of others, whose zone has the same number, nothing is believed.
  flow(TABLE.CONNECTIONS, 10, OPENING, [{ goto: TABLE.SENT }]),
  flow(TABLE.CONNECTIONS, 10, UNRELATED, [{ goto: TABLE.SENT }]),
  flow(TABLE.CONNECTIONS, 0, {}),
  // Who sends from another machine was judged there.
  flow(TABLE.SENT, 20, FROM_OUTSIDE_IS, [{ goto: TABLE.FORWARD }]),
  flow(TABLE.SENT, 0, {}),
  flow(TABLE.ASK_SENDER, 10, ORIGINAL, ask('egress', TABLE.PERMITTED)),
  flow(TABLE.ASK_SENDER, 10, ANSWERING, ask('ingress', TABLE.PERMITTED)),
  flow(TABLE.ASK_SENDER, 0, {}),
  flow(TABLE.PERMITTED, 10, { xreg7: ALLOWED }, [{ goto: TABLE.FORWARD }]),
  flow(TABLE.PERMITTED, 0, {}),
  flow(TABLE.FORWARD, 0, {}),
  flow(TABLE.OUTPUT, 0, {}),
  ...[TABLE.ZONES, TABLE.WAYS_OUT, TABLE.EXIT, TABLE.ANSWERED].map((table) => flow(table, 0, {})),
  flow(TABLE.ASK_RECEIVER, 10, ORIGINAL, ask('ingress', TABLE.DELIVERY)),
  flow(TABLE.ASK_RECEIVER, 10, ANSWERING, ask('egress', TABLE.DELIVERY)),
  flow(TABLE.ASK_RECEIVER, 10, NOT_TRACKED, [{ set: 'xreg7', to: ALLOWED }, { goto: TABLE.DELIVERY }]),
  flow(TABLE.ASK_RECEIVER, 0, {}),
  flow(TABLE.DELIVERY, 0, {}),
  // A port, a policy, a part of one that are asked and are not there have nothing allowed.
  flow(TABLE.CHAINS, 0, {}),
  flow(TABLE.POLICIES, 5, { xreg7: UNDECIDED }, [{ set: 'xreg7', to: DENIED }]),
  flow(TABLE.SEGMENTS, 5, { xreg7: UNDECIDED }, [{ set: 'xreg7', to: DENIED }]),
  flow(TABLE.VERDICTS, 10, { xreg1: OUTCOME.RESUME, xreg7: PASSED }, [{ set: 'xreg7', to: UNDECIDED }]),
  flow(TABLE.VERDICTS, 10, { xreg1: OUTCOME.OPEN, xreg7: UNDECIDED }, [{ set: 'xreg7', to: ALLOWED }]),
  flow(TABLE.REPLY, 10, { ...arp, arp_op: ARP_REQUEST }, [
    { move: 'arp_tpa', into: 'reg4' },
    { move: 'eth_src', into: 'eth_dst' },
    { move: 'xreg3', into: 'eth_src' },
    { move: 'arp_sha', into: 'arp_tha' },
    { move: 'arp_spa', into: 'arp_tpa' },
    { move: 'xreg3', into: 'arp_sha' },
    { move: 'reg4', into: 'arp_spa' },
    { set: 'arp_op', to: ARP_REPLY },
    { output: 'IN_PORT' },
  ]),
  flow(TABLE.REPLY, 10, icmpv6(ND.SOLICITATION), [
    { move: 'eth_src', into: 'eth_dst' },
    { move: 'xreg3', into: 'eth_src' },
    { move: 'ipv6_src', into: 'ipv6_dst' },
    { move: 'nd_target', into: 'ipv6_src' },
    { set: 'icmpv6_type', to: ND.ADVERTISEMENT },
    // The rest can be set only of what is an advertisement already.
    { goto: TABLE.REPLY_ND },
  ]),
  flow(TABLE.REPLY_ND, 10, icmpv6(ND.ADVERTISEMENT), [
    { set: 'nd_reserved', to: SOLICITED_OVERRIDE },
    { set: 'nd_options_type', to: TARGET_LINK_LAYER_ADDRESS },
    { move: 'xreg3', into: 'nd_tll' },
    { output: 'IN_PORT' },
  ]),
];
