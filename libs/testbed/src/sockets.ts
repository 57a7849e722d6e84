import { isIP, Socket } from 'node:net';
import { constants } from 'node:os';
import { AppError } from '@outboard/core';
import {
  AF_INET,
  AF_INET6,
  libc,
  type NetworkNamespace,
  runIn,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SystemError,
  watchWritable,
} from '@outboard/ffi';
import { formatIp, ipBytes } from '@outboard/netlink';
import { within } from './deadline.js';

export type IpVersion = 4 | 6;

const SO_ERROR = 4;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const CONNECT_MILLISECONDS = 5000;

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** Throws AppError INVALID_ARGUMENT for what is no IP address. */
export function versionOf(ip: string): IpVersion {
  const version = isIP(ip);
  if (version === 4 || version === 6) return version;
  throw AppError.invalid([{ field: 'address', description: `must be an IP address, is ${ip}` }]);
}

/** struct sockaddr_in or sockaddr_in6 (netinet/in.h). */
export function encodeSocketAddress({ ip, port }: SocketAddress): Buffer {
  const version = versionOf(ip);
  const bytes = Buffer.alloc(version === 4 ? 16 : 28);
  bytes.writeUInt16LE(version === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipBytes(ip), version === 4 ? 4 : 8);
  return bytes;
}

/** The reverse; an IPv4 address that an IPv6 socket saw is given as IPv4. */
export function decodeSocketAddress(bytes: Buffer): SocketAddress {
  const port = bytes.readUInt16BE(2);
  if (bytes.readUInt16LE(0) === AF_INET) return { ip: formatIp(bytes, 4, 4), port };
  return { ip: formatIp(bytes, 8, 16).replace(/^::ffff:(?=\d+\.)/, ''), port };
}

/** A non-blocking socket that lives in the namespace for as long as it is open, whoever uses it from where. */
export const openSocket = (
  namespace: NetworkNamespace | undefined,
  version: IpVersion,
  type: number,
  protocol = 0,
): number =>
  runIn(namespace, () =>
    libc.socket(version === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol),
  );

/** How many packets the kernel threw away because this socket's buffer was full (SO_MEMINFO). */
export function receiverDrops(descriptor: number): number {
  const info = Buffer.alloc(4 * 9);
  libc.getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, info);
  return info.readUInt32LE(4 * SK_MEMINFO_DROPS);
}

export interface ConnectOptions {
  readonly source?: SocketAddress;
  /** Default 5000. */
  readonly timeoutMilliseconds?: number;
  /** As of Node's sockets: the end of the other side does not end this one. */
  readonly allowHalfOpen?: boolean;
}

/**
 * Connects from inside a namespace. Node's own `connect` would do so from the caller's, as it makes the socket later.
 * Throws SystemError as connect(2) does, with ETIMEDOUT when the time is over (default 5 s).
 */
export async function connectTcp(
  namespace: NetworkNamespace | undefined,
  destination: SocketAddress,
  options: ConnectOptions = {},
): Promise<Socket> {
  const where = `${destination.ip} port ${destination.port}`;
  const descriptor = openSocket(namespace, versionOf(destination.ip), SOCK_STREAM);
  try {
    if (options.source !== undefined) libc.bind(descriptor, encodeSocketAddress(options.source));
    libc.connect(descriptor, encodeSocketAddress(destination));
    const inTime = await writable(descriptor, options.timeoutMilliseconds ?? CONNECT_MILLISECONDS);
    const error = Buffer.alloc(4);
    libc.getsockopt(descriptor, SOL_SOCKET, SO_ERROR, error);
    const errno = inTime ? error.readInt32LE() : constants.errno.ETIMEDOUT;
    if (errno !== 0) throw new SystemError('connect', errno, where);
  } catch (failure) {
    libc.close(descriptor);
    throw failure;
  }
  return new Socket({ fd: descriptor, allowHalfOpen: options.allowHalfOpen ?? false });
}

/** Waits until the socket is writable or failed; false if the time was over first. */
async function writable(descriptor: number, timeoutMilliseconds: number): Promise<boolean> {
  let watcher: Disposable | undefined;
  const ready = new Promise<true>((resolve) => {
    watcher = watchWritable(descriptor, () => {
      watcher?.[Symbol.dispose]();
      resolve(true);
    });
  });
  const outcome = await within(timeoutMilliseconds, ready);
  if (outcome === 'late') watcher?.[Symbol.dispose]();
  return outcome !== 'late';
}
