import { GATEWAY_LINK_LOCAL } from '../../host-configuration/responder-spec.js';
import type { Flow } from '../openflow/messages.js';
import { TABLE } from './ovs-objects.js';

/** Changes with the flows below; those of another revision are replaced. */
export const PIPELINE_REVISION = 2;

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
export const FROM_HERE = { xreg6: '0x0000000000000000' } as const;

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
  flow(TABLE.ANSWERS, 30, { ...icmpv6(ND.SOLICITATION), ipv6_src: '::' }, [{ goto: TABLE.FORWARD }]),
  flow(TABLE.ANSWERS, 0, {}, [{ goto: TABLE.FORWARD }]),
  flow(TABLE.FORWARD, 0, {}),
  flow(TABLE.OUTPUT, 0, {}),
  ...[TABLE.ZONES, TABLE.WAYS_OUT, TABLE.EXIT, TABLE.ANSWERED].map((table) => flow(table, 0, {})),
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
