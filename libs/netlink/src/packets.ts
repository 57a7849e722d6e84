import { formatLinkAddress, ipBytes, parseLinkAddress } from './codec/address.js';

export const ETHER_TYPE = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd } as const;
export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
/** IP protocol numbers (IANA). */
export const IP_PROTOCOL = { UDP: 17, ICMPV6: 58 } as const;

export const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
const UDP_HEADER = 8;
const HOP_LIMIT = 64;
/** What neighbour discovery demands, so that nobody from elsewhere takes part (RFC 4861 section 3.1). */
export const ND_HOP_LIMIT = 255;
/** Of the flags and offset of an IPv4 header: more fragments follow, or some came before. */
const IS_FRAGMENT = 0x3fff;

/** RFC 1071; the checksum's own field is zero in `bytes`. */
export function internetChecksum(bytes: Uint8Array, initial = 0): number {
  let sum = initial;
  for (let index = 0; index < bytes.length; index += 2) {
    sum += ((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Of both ends, in front of a frame. */
const ADDRESSES_BYTES = 12;

/** The frame as it is on a VLAN (IEEE 802.1Q): the tag is behind the addresses. */
export function taggedFrame(frame: Uint8Array, vlanId: number): Buffer {
  const tag = Buffer.alloc(4);
  tag.writeUInt16BE(ETHER_TYPE.VLAN, 0);
  tag.writeUInt16BE(vlanId, 2);
  return Buffer.concat([frame.subarray(0, ADDRESSES_BYTES), tag, frame.subarray(ADDRESSES_BYTES)]);
}

export function ethernetFrame(
  destination: string,
  source: string,
  etherType: number,
  payload: Uint8Array,
): Buffer {
  const frame = Buffer.alloc(ETHERNET_HEADER + payload.length);
  parseLinkAddress(destination, frame, 0);
  parseLinkAddress(source, frame, 6);
  frame.writeUInt16BE(etherType, 12);
  frame.set(payload, ETHERNET_HEADER);
  return frame;
}

export interface UdpFrame {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly source: { readonly ip: string; readonly port: number };
  readonly destination: { readonly ip: string; readonly port: number };
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
  // All ones stands for zero.
  datagram.writeUInt16BE(pseudoChecksum(source, destination, IP_PROTOCOL.UDP, datagram) || 0xffff, 6);
  const version4 = source.length === 4;
  const header = version4
    ? ipv4Header(source, destination, datagram.length)
    : ipv6Header(source, destination, IP_PROTOCOL.UDP, HOP_LIMIT, datagram.length);
  return ethernetFrame(
    options.destinationMac,
    options.sourceMac,
    version4 ? ETHER_TYPE.IPV4 : ETHER_TYPE.IPV6,
    Buffer.concat([header, datagram]),
  );
}

export interface Icmpv6Frame {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly source: string;
  readonly destination: string;
  /** Type, code, two bytes of zero for the checksum, and the rest. */
  readonly message: Uint8Array;
}

/** An ICMPv6 message of neighbour discovery in Ethernet with a correct checksum. */
export function neighbourDiscoveryFrame(options: Icmpv6Frame): Buffer {
  const source = ipBytes(options.source);
  const destination = ipBytes(options.destination);
  const message = Buffer.from(options.message);
  message.writeUInt16BE(pseudoChecksum(source, destination, IP_PROTOCOL.ICMPV6, message), 2);
  const header = ipv6Header(source, destination, IP_PROTOCOL.ICMPV6, ND_HOP_LIMIT, message.length);
  const packet = Buffer.concat([header, message]);
  return ethernetFrame(options.destinationMac, options.sourceMac, ETHER_TYPE.IPV6, packet);
}

/** Over addresses, protocol and length, too (RFC 768, RFC 8200 section 8.1). */
const pseudoChecksum = (
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  message: Uint8Array,
): number => internetChecksum(Buffer.concat([source, destination, message]), protocol + message.length);

function ipv4Header(source: Uint8Array, destination: Uint8Array, payloadLength: number): Buffer {
  const header = Buffer.alloc(IPV4_HEADER);
  header[0] = 0x45;
  header.writeUInt16BE(IPV4_HEADER + payloadLength, 2);
  header[8] = HOP_LIMIT;
  header[9] = IP_PROTOCOL.UDP;
  header.set(source, 12);
  header.set(destination, 16);
  header.writeUInt16BE(internetChecksum(header), 10);
  return header;
}

function ipv6Header(
  source: Uint8Array,
  destination: Uint8Array,
  protocol: number,
  hopLimit: number,
  payloadLength: number,
): Buffer {
  const header = Buffer.alloc(IPV6_HEADER);
  header[0] = 0x60;
  header.writeUInt16BE(payloadLength, 4);
  header[6] = protocol;
  header[7] = hopLimit;
  header.set(source, 8);
  header.set(destination, 24);
  return header;
}

/** An IP packet in a frame, as far as its own lengths go. */
export interface ReadPacket {
  readonly sourceMac: string;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Buffer;
}

/** Undefined for what is no whole IPv4 or IPv6 packet: cut, fragmented, malformed, with IPv6 extension headers. */
export function readPacket(frame: Buffer): ReadPacket | undefined {
  if (frame.length < ETHERNET_HEADER) return undefined;
  const sourceMac = formatLinkAddress(frame, 6, 6);
  const packet = frame.subarray(ETHERNET_HEADER);
  switch (frame.readUInt16BE(12)) {
    case ETHER_TYPE.IPV4: {
      if (packet.length < IPV4_HEADER || (packet[0] ?? 0) >> 4 !== 4) return undefined;
      const start = ((packet[0] ?? 0) & 15) * 4;
      const end = packet.readUInt16BE(2);
      if (start < IPV4_HEADER || end < start || end > packet.length) return undefined;
      if ((packet.readUInt16BE(6) & IS_FRAGMENT) !== 0) return undefined;
      const [hopLimit = 0, protocol = 0] = packet.subarray(8, 10);
      return {
        sourceMac,
        source: packet.subarray(12, 16),
        protocol,
        hopLimit,
        payload: packet.subarray(start, end),
      };
    }
    case ETHER_TYPE.IPV6: {
      if (packet.length < IPV6_HEADER || (packet[0] ?? 0) >> 4 !== 6) return undefined;
      const end = IPV6_HEADER + packet.readUInt16BE(4);
      if (end > packet.length) return undefined;
      const [protocol = 0, hopLimit = 0] = packet.subarray(6, 8);
      const payload = packet.subarray(IPV6_HEADER, end);
      return { sourceMac, source: packet.subarray(8, 24), protocol, hopLimit, payload };
    }
    default:
      return undefined;
  }
}

/** What a UDP datagram carries to a port; undefined: it is for another, or malformed. Its checksum is not verified. */
export function readUdp({ protocol, payload }: ReadPacket, port: number): Buffer | undefined {
  if (protocol !== IP_PROTOCOL.UDP || payload.length < UDP_HEADER) return undefined;
  const length = payload.readUInt16BE(4);
  if (payload.readUInt16BE(2) !== port || length < UDP_HEADER || length > payload.length) return undefined;
  return payload.subarray(UDP_HEADER, length);
}
