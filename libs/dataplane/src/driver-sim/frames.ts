import { canonicalAddress } from '../realise/addresses.js';
import { type Headers, numberOf, type Packet } from './switch/packet.js';

/** Frames as hosts send them. Addresses are numbers: 48 bits, and 32 or 128. */

export const BROADCAST = 0xffffffffffffn;
export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
export const ARP = { REQUEST: 1, REPLY: 2 } as const;
export const ND = { SOLICITATION: 135, ADVERTISEMENT: 136 } as const;
const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58 } as const;
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
/** Solicited and override (RFC 4861, 4.4). */
const SOLICITED_OVERRIDE = 0x60000000;
const ND_HOP_LIMIT = 255;
const HOP_LIMIT = 64;

export type Family = 4 | 6;

/** Who sends, and to whom. */
export interface Ends {
  readonly family: Family;
  readonly mac: bigint;
  readonly ip: bigint;
  readonly toMac: bigint;
  readonly toIp: bigint;
}

const numberOfIp = (text: string): bigint => numberOf(text.includes(':') ? 'ipv6_src' : 'ipv4_src', text);

export const familyOf = (ip: string): Family => (ip.includes(':') ? 6 : 4);
export { numberOfIp };
/** Undefined: it is no IP packet. */
export function familyOfPacket(packet: Packet): Family | undefined {
  const type = Number(packet.get('eth_type'));
  return type === ETHERTYPE.IPV4 ? 4 : type === ETHERTYPE.IPV6 ? 6 : undefined;
}

/** Asks everybody who has an address: ARP, or neighbour discovery to the solicited-node group (RFC 4291, 2.7.1). */
export function question(family: Family, mac: bigint, ip: bigint, asked: bigint): Headers {
  if (family === 4)
    return {
      eth_type: ETHERTYPE.ARP,
      eth_src: mac,
      eth_dst: BROADCAST,
      arp_op: ARP.REQUEST,
      arp_sha: mac,
      arp_spa: ip,
      arp_tpa: asked,
    };
  const group = asked & 0xffffffn;
  return {
    eth_type: ETHERTYPE.IPV6,
    eth_src: mac,
    eth_dst: 0x3333ff000000n | group,
    ipv6_src: ip,
    ipv6_dst: numberOfIp('ff02::1:ff00:0') | group,
    ip_proto: PROTOCOL.ICMPV6,
    ip_ttl: ND_HOP_LIMIT,
    icmpv6_type: ND.SOLICITATION,
    nd_target: asked,
  };
}

/** Who has an address, as ARP or neighbour discovery asks, and whom that is to be told; undefined: the frame asks nobody. */
export function questionIn(
  packet: Packet,
): { family: Family; ip: bigint; toMac: bigint; toIp: bigint } | undefined {
  const type = Number(packet.get('eth_type'));
  if (type === ETHERTYPE.ARP && Number(packet.get('arp_op')) === ARP.REQUEST)
    return {
      family: 4,
      ip: packet.get('arp_tpa'),
      toMac: packet.get('arp_sha'),
      toIp: packet.get('arp_spa'),
    };
  if (type === ETHERTYPE.IPV6 && Number(packet.get('icmpv6_type')) === ND.SOLICITATION)
    return {
      family: 6,
      ip: packet.get('nd_target'),
      toMac: packet.get('eth_src'),
      toIp: packet.get('ipv6_src'),
    };
  return undefined;
}

/** Says that the sender has its address. */
export function claim({ family, mac, ip, toMac, toIp }: Ends): Headers {
  if (family === 4)
    return {
      eth_type: ETHERTYPE.ARP,
      eth_src: mac,
      eth_dst: toMac,
      arp_op: ARP.REPLY,
      arp_sha: mac,
      arp_spa: ip,
      arp_tha: toMac,
      arp_tpa: toIp,
    };
  return {
    eth_type: ETHERTYPE.IPV6,
    eth_src: mac,
    eth_dst: toMac,
    ipv6_src: ip,
    ipv6_dst: toIp,
    ip_proto: PROTOCOL.ICMPV6,
    ip_ttl: ND_HOP_LIMIT,
    icmpv6_type: ND.ADVERTISEMENT,
    nd_target: ip,
    nd_tll: mac,
    nd_reserved: SOLICITED_OVERRIDE,
  };
}

/** What a probe asks of a host, and the ports of it. */
export type Question =
  | { readonly protocol: 'ICMP' }
  | { readonly protocol: 'TCP' | 'UDP'; readonly sourcePort: number; readonly port: number };

/** An IP packet of a probe (`request`), or of its answer, whose ports are the other way round. */
export function ipFrame(ends: Ends, question: Question, kind: 'request' | 'reply'): Headers {
  const { family, mac, ip, toMac, toIp } = ends;
  const header: Headers =
    family === 4
      ? { eth_type: ETHERTYPE.IPV4, ipv4_src: ip, ipv4_dst: toIp }
      : { eth_type: ETHERTYPE.IPV6, ipv6_src: ip, ipv6_dst: toIp };
  return {
    eth_src: mac,
    eth_dst: toMac,
    ip_ttl: HOP_LIMIT,
    ...header,
    ...transport(family, question, kind),
  };
}

function transport(family: Family, question: Question, kind: 'request' | 'reply'): Headers {
  if (question.protocol === 'ICMP') {
    const type = ECHO[family][kind];
    return family === 4
      ? { ip_proto: PROTOCOL.ICMP, icmpv4_type: type }
      : { ip_proto: PROTOCOL.ICMPV6, icmpv6_type: type };
  }
  const { protocol, sourcePort, port } = question;
  const [from, to] = kind === 'request' ? [sourcePort, port] : [port, sourcePort];
  return protocol === 'TCP'
    ? { ip_proto: PROTOCOL.TCP, tcp_src: from, tcp_dst: to }
    : { ip_proto: PROTOCOL.UDP, udp_src: from, udp_dst: to };
}

export function textOf(family: Family, ip: bigint): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (ip >> shift) & 0xffn).join('.');
  return Array.from({ length: 8 }, (_, index) =>
    ((ip >> BigInt(16 * (7 - index))) & 0xffffn).toString(16),
  ).join(':');
}

/** Who sends an IP packet, as text in its short form; undefined: it is none. */
export function sourceOf(packet: Packet): string | undefined {
  const family = familyOfPacket(packet);
  if (family === undefined) return undefined;
  return canonicalAddress(textOf(family, packet.get(family === 4 ? 'ipv4_src' : 'ipv6_src')));
}
