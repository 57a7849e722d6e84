import { rmSync } from 'node:fs';
import koffi from 'koffi';
import { libc, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET } from './libc.js';
import { processLibrary } from './process-library.js';
import { SystemError } from './system-error.js';

const AF_UNIX = 1;
const SO_PEERCRED = 17;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const EINTR = 4;
const EAGAIN = 11;
/** sizeof(sockaddr_un.sun_path), with its end (unix(7)). */
const MAX_PATH_BYTES = 107;
/** struct cmsghdr with one int: 8 bytes length, level, type, descriptor, padding (cmsg(3)). */
const CONTROL_LENGTH = 24;

const iovec = koffi.struct({ base: 'void *', length: 'size_t' });
const msghdr = koffi.struct({
  name: 'void *',
  nameLength: 'uint32_t',
  vector: koffi.pointer(iovec),
  vectorLength: 'size_t',
  control: 'void *',
  controlLength: 'size_t',
  flags: 'int',
});
const raw = {
  listen: processLibrary.func('int listen(int, int)'),
  accept: processLibrary.func('int accept4(int, void *, void *, int)'),
  send: processLibrary.func('int64_t send(int, const void *, size_t, int)'),
  recv: processLibrary.func('int64_t recv(int, void *, size_t, int)'),
  sendmsg: processLibrary.func('sendmsg', 'int64_t', ['int', koffi.pointer(msghdr), 'int']),
  recvmsg: processLibrary.func('recvmsg', 'int64_t', ['int', koffi.inout(koffi.pointer(msghdr)), 'int']),
};

/** Who connected (unix(7), SO_PEERCRED): as the kernel knew it then. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Nothing now: the call would have waited. */
export const WOULD_BLOCK = -1;

function address(path: string): Uint8Array {
  const bytes = Buffer.from(path);
  if (bytes.length > MAX_PATH_BYTES) throw new SystemError('bind', 36, path);
  const structure = new Uint8Array(2 + bytes.length + 1);
  structure[0] = AF_UNIX;
  structure.set(bytes, 2);
  return structure;
}

/** The result, or WOULD_BLOCK. errno is read before anything else can overwrite it. */
function unlessItWouldBlock(syscall: string, result: number): number {
  if (result >= 0) return result;
  const errno = koffi.errno();
  if (errno === EAGAIN || errno === EINTR) return WOULD_BLOCK;
  throw new SystemError(syscall, errno);
}

/**
 * Stream sockets of the local machine (unix(7)) as plain descriptors, for threads without an event loop and for passing
 * descriptors, neither of which Node's sockets can do. Nothing waits, except `connect` where the listener's queue is full.
 */
export const unixSocket = {
  /** A listening socket in place of whatever had that path. */
  listen(path: string, backlog: number): number {
    const descriptor = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    try {
      rmSync(path, { force: true });
      libc.bind(descriptor, address(path));
      if ((raw.listen(descriptor, backlog) as number) < 0)
        throw new SystemError('listen', koffi.errno(), path);
      return descriptor;
    } catch (failure) {
      libc.close(descriptor);
      throw failure;
    }
  },
  /** A connected socket; it waits in `receive` and `send` until `setNonBlocking`. */
  connect(path: string): number {
    const descriptor = libc.socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    try {
      libc.connect(descriptor, address(path));
      return descriptor;
    } catch (failure) {
      libc.close(descriptor);
      throw failure;
    }
  },
  /** The next connection, not waiting; or WOULD_BLOCK. */
  accept: (descriptor: number): number =>
    unlessItWouldBlock('accept4', raw.accept(descriptor, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC) as number),
  peerOf(descriptor: number): PeerCredentials {
    const ucred = new DataView(new ArrayBuffer(12));
    libc.getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, new Uint8Array(ucred.buffer));
    return { pid: ucred.getInt32(0, true), uid: ucred.getUint32(4, true), gid: ucred.getUint32(8, true) };
  },
  /** Bytes that were taken, or WOULD_BLOCK. A peer that is gone is EPIPE, not a signal. */
  send: (descriptor: number, bytes: Uint8Array): number =>
    unlessItWouldBlock(
      'send',
      raw.send(descriptor, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL) as number,
    ),
  /** Bytes that came, 0 at the end of the stream, or WOULD_BLOCK. */
  receive: (descriptor: number, bytes: Uint8Array): number =>
    unlessItWouldBlock('recv', raw.recv(descriptor, bytes, bytes.length, MSG_DONTWAIT) as number),
  /** Sends `bytes` and, with the first of them, a descriptor (SCM_RIGHTS). All or nothing up to the socket's buffer. */
  sendDescriptor(descriptor: number, bytes: Uint8Array, passed: number): number {
    const control = Buffer.alloc(CONTROL_LENGTH);
    control.writeUInt32LE(20, 0);
    control.writeInt32LE(SOL_SOCKET, 8);
    control.writeInt32LE(SCM_RIGHTS, 12);
    control.writeInt32LE(passed, 16);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    return unlessItWouldBlock('sendmsg', raw.sendmsg(descriptor, message(bytes, control), flags) as number);
  },
  /** Waits for bytes; `passed` is the descriptor that came with them. `count` 0: the end of the stream. */
  receiveDescriptor(descriptor: number, bytes: Uint8Array): { count: number; passed: number | undefined } {
    const control = Buffer.alloc(CONTROL_LENGTH);
    const header = message(bytes, control);
    const count = raw.recvmsg(descriptor, header, MSG_CMSG_CLOEXEC) as number;
    if (count < 0) throw new SystemError('recvmsg', koffi.errno());
    const isRights = header.controlLength >= 20 && control.readInt32LE(12) === SCM_RIGHTS;
    return { count, passed: isRights ? control.readInt32LE(16) : undefined };
  },
};

const message = (bytes: Uint8Array, control: Uint8Array) => ({
  name: null,
  nameLength: 0,
  vector: [{ base: bytes, length: bytes.length }],
  vectorLength: 1,
  control,
  controlLength: control.length,
  flags: 0,
});
