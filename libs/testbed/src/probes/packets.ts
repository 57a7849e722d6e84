import { isIPv6 } from 'node:net';
import { ipBytes } from '@outboard/netlink';
import { ETHER_TYPE, encapsulated, etherTypeOf, isArp } from './frames.js';

const ETHERNET_HEADER = 14;
const IPV6_HEADER = 40;
/** IP protocol numbers (IANA). */
const PORTED = [6, 17];
const ICMPV6 = 58;
const SOLICITATION = 135;
const ARP_REQUEST = 1;

/** What packets of a flow have in common, on the way from who begins it. */
export interface FlowSignature {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** Of TCP and UDP. */
  readonly port: number;
}

/** Whether a frame is of the flow: an IP packet from its source to its destination. */
export function belongsTo(frame: Buffer, { source, destination, protocol, port }: FlowSignature): boolean {
  const version6 = isIPv6(destination);
  if (etherTypeOf(frame) !== (version6 ? ETHER_TYPE.IPV6 : ETHER_TYPE.IPV4)) return false;
  const packet = frame.subarray(ETHERNET_HEADER);
  const [from, to, next] = version6 ? [8, 24, packet[6]] : [12, 16, packet[9]];
  const length = version6 ? 16 : 4;
  const isBetween =
    packet.subarray(from, from + length).equals(Buffer.from(ipBytes(source))) &&
    packet.subarray(to, to + length).equals(Buffer.from(ipBytes(destination)));
  if (!isBetween || next !== protocol) return false;
  if (!PORTED.includes(protocol)) return true;
  const segment = packet.subarray(version6 ? IPV6_HEADER : ((packet[0] ?? 0) & 15) * 4);
  return segment.length >= 4 && segment.readUInt16BE(2) === port;
}

/** Whether a frame of the underlay carries a packet of the flow in a tunnel. */
export function carries(frame: Buffer, flow: FlowSignature): boolean {
  const inner = encapsulated(frame);
  return inner !== undefined && belongsTo(inner, flow);
}

/** Whether a frame asks who has the destination (ARP, RFC 826; neighbour solicitation, RFC 4861): what is sent before all else. */
export function asksFor(frame: Buffer, { destination }: FlowSignature): boolean {
  const target = Buffer.from(ipBytes(destination));
  const packet = frame.subarray(ETHERNET_HEADER);
  if (isArp(frame)) {
    return (
      packet.length >= 28 && packet.readUInt16BE(6) === ARP_REQUEST && packet.subarray(24, 28).equals(target)
    );
  }
  if (etherTypeOf(frame) !== ETHER_TYPE.IPV6 || packet[6] !== ICMPV6) return false;
  const message = packet.subarray(IPV6_HEADER);
  return message[0] === SOLICITATION && message.subarray(8, 24).equals(target);
}
