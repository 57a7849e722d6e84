import {
  AF_PACKET,
  libc,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_SOCKET,
} from './libc.js';
import { type NetworkNamespace, runIn } from './network-namespace.js';

/** linux/if_ether.h, linux/socket.h and linux/if_packet.h. */
export const ETH_P_ALL = 0x0003;
export const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
export const SOCKADDR_LL_LENGTH = 20;

/** Which frames of which device a socket gets. */
export interface PacketSocketOptions {
  /** Undefined: the thread's own. */
  readonly namespace: NetworkNamespace | undefined;
  /** Index of the device in there. */
  readonly device: number;
  /** Ethernet type of the frames that are received; `ETH_P_ALL`: all of them; 0: none, it only sends. */
  readonly protocol: number;
  readonly receiveBufferBytes: number;
  /** A classic BPF program: what it drops is not received. */
  readonly filter?: Uint8Array;
  /** Frames that go out by the device are received too. */
  readonly outgoing: boolean;
}

/** A packet socket that is bound to the device before it takes a frame (packet(7)). Throws SystemError. */
export function openPacketSocket(options: PacketSocketOptions): number {
  const { namespace, device, protocol, receiveBufferBytes, filter, outgoing } = options;
  const descriptor = runIn(namespace, () =>
    libc.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
  );
  try {
    libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, receiveBufferBytes);
    if (!outgoing) libc.setsockopt(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    if (filter !== undefined) libc.attachFilter(descriptor, filter);
    const address = Buffer.alloc(SOCKADDR_LL_LENGTH);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(protocol, 2);
    address.writeInt32LE(device, 4);
    libc.bind(descriptor, address);
    return descriptor;
  } catch (failure) {
    libc.close(descriptor);
    throw failure;
  }
}
