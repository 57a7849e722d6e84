import {
  AF_NETLINK,
  errnoName,
  libc,
  type NetworkNamespace,
  runIn,
  SO_RCVBUFFORCE,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from '@outboard/ffi';
import { type Source, sourceOf, type Writer } from './codec/bytes.js';
import { DecodeError } from './codec/errors.js';
import type { Message, ProtocolName } from './codec/family.js';

export const PROTOCOL_NUMBERS: Record<ProtocolName, number> = { route: 0, netfilter: 12 };
/** Length of struct nlmsghdr. */
export const HEADER_LENGTH = 16;
/** nlmsg_type of control messages (linux/netlink.h). */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3 } as const;

const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const NLMSGERR_ATTR_OFFSET = 2;
const BUFFER_BYTES = 1 << 20;
/** Of nl_pid in struct sockaddr_nl. */
const PORT_ID_OFFSET = 4;
/** The kernel's own address: struct sockaddr_nl with portid 0. */
const KERNEL = Buffer.from([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

// Received and decoded within one turn, so all channels share it. Dumps come in parts of at most 32 KiB; a single
// reply about a device with many virtual functions can be larger.
const receiveBuffer = Buffer.alloc(256 * 1024);
const received = sourceOf(receiveBuffer);

/** The refusal of a request by the kernel, with its text (extended acknowledgement) where it has one. */
export class NetlinkError extends Error {
  override readonly name = 'NetlinkError';
  readonly code: string;

  constructor(
    readonly request: string,
    /** Positive. */
    readonly errno: number,
    /** The kernel's own words, or ''. */
    readonly kernelMessage: string,
  ) {
    const code = errnoName(errno);
    super(`${request}: ${kernelMessage === '' ? code : `${kernelMessage} (${code})`}`);
    this.code = code;
  }
}

/** NLMSG_ERROR: errno 0 is an acknowledgement. */
export interface Acknowledgement {
  readonly errno: number;
  readonly message: string;
  /** Where in the request the kernel saw the fault, in bytes from its header; undefined if it does not say. */
  readonly offset: number | undefined;
}

/** Decodes the body of an NLMSG_ERROR or of the NLMSG_DONE of a dump, which does not repeat the request. */
export function readAcknowledgement(
  type: number,
  source: Source,
  offset: number,
  end: number,
  flags: number,
): Acknowledgement {
  if (end - offset < 4) return { errno: 0, message: '', offset: undefined };
  const errno = -source.view.getInt32(offset, true);
  let message = '';
  let fault: number | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    let at = offset + 4;
    if (type === NLMSG.ERROR && end - at >= HEADER_LENGTH) {
      at += flags & NLM_F_CAPPED ? HEADER_LENGTH : (source.view.getUint32(at, true) + 3) & ~3;
    }
    while (at >= offset && at + 4 <= end) {
      const length = source.view.getUint16(at, true);
      if (length < 4 || at + length > end) throw new DecodeError('acknowledgement with a cut attribute');
      const id = source.view.getUint16(at + 2, true) & 0x3fff;
      if (id === NLMSGERR_ATTR_MSG) {
        message = source.bytes.toString('utf8', at + 4, at + length).replace(/\0+$/, '');
      } else if (id === NLMSGERR_ATTR_OFFSET && length >= 8) fault = source.view.getUint32(at + 4, true);
      at += (length + 3) & ~3;
    }
  }
  return { errno, message, offset: fault };
}

/** Called for each message of a datagram with the bounds of its body. */
export type MessageVisitor = (
  type: number,
  flags: number,
  sequence: number,
  source: Source,
  offset: number,
  end: number,
) => void;

/** Walks the messages of one datagram. Throws DecodeError where a length does not fit. */
export function visitMessages(source: Source, length: number, visit: MessageVisitor): void {
  const { view } = source;
  let at = 0;
  while (at + HEADER_LENGTH <= length) {
    const size = view.getUint32(at, true);
    if (size < HEADER_LENGTH || at + size > length) {
      throw new DecodeError(`has a message of ${size} bytes where ${length - at} are left`);
    }
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const sequence = view.getUint32(at + 8, true);
    visit(type, flags, sequence, source, at + HEADER_LENGTH, at + size);
    at += (size + 3) & ~3;
  }
}

export interface ChannelOptions {
  readonly protocol: ProtocolName;
  readonly namespace?: NetworkNamespace | undefined;
  /** SO_RCVBUF in bytes; the kernel doubles it. */
  readonly receiveBufferBytes?: number | undefined;
  readonly groups?: readonly number[];
}

/** One netlink socket: bytes in, datagrams out, in the namespace in which it was opened. */
export class Channel {
  readonly descriptor: number;
  readonly protocol: ProtocolName;
  /** Its address: what the kernel writes into messages about what was done through it (nlmsg_pid). */
  readonly portId: number;
  #sequence = 0;
  #closed = false;

  constructor(options: ChannelOptions) {
    this.protocol = options.protocol;
    const protocol = PROTOCOL_NUMBERS[options.protocol];
    this.descriptor = runIn(options.namespace, () =>
      libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol),
    );
    try {
      const { descriptor } = this;
      libc.setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, 2 * BUFFER_BYTES);
      libc.setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes ?? BUFFER_BYTES);
      libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
      libc.bind(descriptor, KERNEL);
      const own = Buffer.alloc(KERNEL.length);
      libc.getsockname(descriptor, own);
      this.portId = own.readUInt32LE(PORT_ID_OFFSET);
      for (const group of options.groups ?? []) {
        libc.setsockopt(descriptor, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
      }
    } catch (failure) {
      this.close();
      throw failure;
    }
  }

  /** Reserves `count` consecutive sequence numbers and returns the first; they never wrap within a reservation. */
  reserve(count: number): number {
    if (this.#sequence + count > 0xffffffff) this.#sequence = 0;
    const first = this.#sequence + 1;
    this.#sequence += count;
    return first;
  }

  /** Sends what the writer holds; the kernel has processed all of it when this returns. */
  send(writer: Writer): void {
    libc.sendto(this.descriptor, writer.bytes, writer.length, KERNEL);
  }

  /** The same on a pool thread; the writer must stay as it is until it settles. */
  async sendOffThread(writer: Writer): Promise<void> {
    await libc.sendtoOffThread(this.descriptor, writer.bytes, writer.length, KERNEL);
  }

  /** Visits the messages of the next datagram; false if there is none now. */
  receive(visit: MessageVisitor): boolean {
    const length = libc.receive(this.descriptor, receiveBuffer);
    if (length < 0) return false;
    if (length > receiveBuffer.length) {
      throw new DecodeError(`datagram of ${length} bytes exceeds the receive buffer`);
    }
    visitMessages(received, length, visit);
    return true;
  }

  /** Descriptor numbers are used again: writing to a closed one could hit a stranger's. */
  requireOpen(): void {
    if (this.#closed) throw new Error('the netlink socket is closed');
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    libc.close(this.descriptor);
  }
}

/** A message in words, for errors: `new route`. */
export const describe = ({ family, type }: Message): string =>
  `${type === family.newType ? 'new' : type === family.deleteType ? 'delete' : 'get'} ${family.name}`;

/** Appends one message with its header. What it wrote is taken back if the body cannot be encoded. */
export function appendMessage(writer: Writer, message: Message, sequence: number, flags = 0): void {
  const start = writer.length;
  try {
    const at = writer.space(HEADER_LENGTH);
    message.family.write(writer, message.body);
    writer.view.setUint32(at, writer.length - at, true);
    writer.view.setUint16(at + 4, message.type, true);
    writer.view.setUint16(at + 6, message.flags | flags, true);
    writer.view.setUint32(at + 8, sequence, true);
  } catch (failure) {
    writer.length = start;
    throw failure;
  }
}
