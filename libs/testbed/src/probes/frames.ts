import {
  BROADCAST,
  ETHER_TYPE,
  ETHERNET_HEADER,
  ethernetFrame,
  ipBytes,
  parseLinkAddress,
} from '@outboard/netlink';

export { BROADCAST, ETHER_TYPE, taggedFrame, type UdpFrame, udpFrame } from '@outboard/netlink';

const NO_MAC = '00:00:00:00:00:00';

const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const UDP = 17;
const VXLAN_PORT = 4789;
const GENEVE_PORT = 6081;
const TUNNEL_HEADER = 8;

function mac(text: string): Buffer {
  const bytes = Buffer.alloc(6);
  parseLinkAddress(text, bytes, 0);
  return bytes;
}

export interface ArpFrame {
  readonly operation: 'request' | 'reply';
  readonly senderMac: string;
  readonly senderIp: string;
  /** Absent: zero, as in a request. */
  readonly targetMac?: string;
  readonly targetIp: string;
  /** Of the Ethernet header; absent: `senderMac` and broadcast. */
  readonly sourceMac?: string;
  readonly destinationMac?: string;
}

/** An ARP frame (RFC 826), as true or as false as the caller wants it. */
export function arpFrame(options: ArpFrame): Buffer {
  const body = Buffer.alloc(28);
  body.writeUInt16BE(1, 0);
  body.writeUInt16BE(ETHER_TYPE.IPV4, 2);
  body[4] = 6;
  body[5] = 4;
  body.writeUInt16BE(options.operation === 'request' ? 1 : 2, 6);
  body.set(mac(options.senderMac), 8);
  body.set(ipBytes(options.senderIp), 14);
  body.set(mac(options.targetMac ?? NO_MAC), 18);
  body.set(ipBytes(options.targetIp), 24);
  const source = options.sourceMac ?? options.senderMac;
  return ethernetFrame(options.destinationMac ?? BROADCAST, source, ETHER_TYPE.ARP, body);
}

/** 0 for what is too short to have one. */
export const etherTypeOf = (frame: Buffer): number =>
  frame.length < ETHERNET_HEADER ? 0 : frame.readUInt16BE(12);

export const isArp = (frame: Buffer): boolean => etherTypeOf(frame) === ETHER_TYPE.ARP;

/** The frame inside a VXLAN (RFC 7348) or GENEVE (RFC 8926) packet on its way through the underlay, or undefined. */
export function encapsulated(frame: Buffer): Buffer | undefined {
  const etherType = etherTypeOf(frame);
  const packet = frame.subarray(ETHERNET_HEADER);
  let udp: Buffer;
  if (etherType === ETHER_TYPE.IPV4 && packet[9] === UDP) udp = packet.subarray(((packet[0] ?? 0) & 15) * 4);
  else if (etherType === ETHER_TYPE.IPV6 && packet[6] === UDP) udp = packet.subarray(IPV6_HEADER);
  else return undefined;
  if (udp.length < UDP_HEADER + TUNNEL_HEADER) return undefined;
  const port = udp.readUInt16BE(2);
  if (port !== VXLAN_PORT && port !== GENEVE_PORT) return undefined;
  // GENEVE's options: their length in words of 4 bytes is in the low 6 bits of the first byte.
  const options = port === GENEVE_PORT ? ((udp[UDP_HEADER] ?? 0) & 0x3f) * 4 : 0;
  return udp.subarray(UDP_HEADER + TUNNEL_HEADER + options);
}
