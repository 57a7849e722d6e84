import { ipBytes, parseLinkAddress } from '@outboard/netlink';
import type { SocketAddress } from '../sockets.js';
import { internetChecksum } from './icmp-socket.js';

export const ETHER_TYPE = { IPV4: 0x0800, ARP: 0x0806, IPV6: 0x86dd } as const;
export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const NO_MAC = '00:00:00:00:00:00';

const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
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

function ethernet(destination: string, source: string, etherType: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(ETHERNET_HEADER + payload.length);
  frame.set(mac(destination), 0);
  frame.set(mac(source), 6);
  frame.writeUInt16BE(etherType, 12);
  frame.set(payload, ETHERNET_HEADER);
  return frame;
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
  return ethernet(options.destinationMac ?? BROADCAST, source, ETHER_TYPE.ARP, body);
}

export interface UdpFrame {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly payload: Uint8Array;
}

/** A UDP datagram in IPv4 or IPv6 in Ethernet with correct checksums, from whoever the caller says it is from. */
export function udpFrame(options: UdpFrame): Buffer {
  const source = ipBytes(options.source.ip);
  const destination = ipBytes(options.destination.ip);
  const datagram = Buffer.alloc(UDP_HEADER + options.payload.length);
  datagram.writeUInt16BE(options.source.port, 0);
  datagram.writeUInt16BE(options.destination.port, 2);
  datagram.writeUInt16BE(datagram.length, 4);
  datagram.set(options.payload, UDP_HEADER);
  // The pseudo header: addresses, protocol and length (RFC 768, RFC 8200 section 8.1). All ones stands for zero.
  const sum = internetChecksum(Buffer.concat([source, destination, datagram]), UDP + datagram.length);
  datagram.writeUInt16BE(sum === 0 ? 0xffff : sum, 6);
  const version4 = source.length === 4;
  const header = version4
    ? ipv4Header(source, destination, datagram.length)
    : ipv6Header(source, destination, datagram.length);
  return ethernet(
    options.destinationMac,
    options.sourceMac,
    version4 ? ETHER_TYPE.IPV4 : ETHER_TYPE.IPV6,
    Buffer.concat([header, datagram]),
  );
}

function ipv4Header(source: Uint8Array, destination: Uint8Array, payloadLength: number): Buffer {
  const header = Buffer.alloc(IPV4_HEADER);
  header[0] = 0x45;
  header.writeUInt16BE(IPV4_HEADER + payloadLength, 2);
  header[8] = 64;
  header[9] = UDP;
  header.set(source, 12);
  header.set(destination, 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return header;
}

function ipv6Header(source: Uint8Array, destination: Uint8Array, payloadLength: number): Buffer {
  const header = Buffer.alloc(IPV6_HEADER);
  header[0] = 0x60;
  header.writeUInt16BE(payloadLength, 4);
  header[6] = UDP;
  header[7] = 64;
  header.set(source, 8);
  header.set(destination, 24);
  return header;
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
