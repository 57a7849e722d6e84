import { endianness } from 'node:os';
import { invariant } from '@outboard/core';
import koffi from 'koffi';
import { processLibrary } from './process-library.js';
import { SystemError } from './system-error.js';

// Netlink and these structures are in host byte order; every DPU and host we run on is little-endian.
invariant(endianness() === 'LE', 'the foreign function layer supports little-endian machines only');

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_RCVBUFFORCE = 33;
export const SO_SNDBUFFORCE = 32;
export const SOL_NETLINK = 270;
export const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
export const CLONE_NEWNET = 0x40000000;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_SHARED = 1 << 20;
export const MNT_DETACH = 2;
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
export const EPOLLERR = 8;

const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EAGAIN = 11;
const ENODEV = 19;
const EINPROGRESS = 115;

/** struct sock_fprog (linux/filter.h): how many instructions, and where they are. */
const sockFprog = koffi.struct({ len: 'uint16_t', filter: 'const void *' });
const SOCK_FPROG_LENGTH = 16;
const SOCK_FILTER_LENGTH = 8;
const SO_ATTACH_FILTER = 26;
/** struct ifreq (linux/if.h): a device, and what is asked or told. */
const IFREQ_LENGTH = 40;
const IFNAMSIZ = 16;
/** The same of SIOCETHTOOL: a device, and where the command is. */
const ifreq = koffi.struct({
  name: koffi.array('uint8_t', IFNAMSIZ),
  data: 'void *',
  rest: koffi.array('uint8_t', 16),
});
const SIOCETHTOOL = 0x8946;
const raw = {
  socket: processLibrary.func('int socket(int, int, int)'),
  bind: processLibrary.func('int bind(int, const void *, uint32_t)'),
  connect: processLibrary.func('int connect(int, const void *, uint32_t)'),
  getsockname: processLibrary.func('int getsockname(int, void *, void *)'),
  setsockopt: processLibrary.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  // The type has no name: names are known to the whole process, and a module may be evaluated more than once in one.
  attachFilter: processLibrary.func('setsockopt', 'int', [
    'int',
    'int',
    'int',
    koffi.pointer(sockFprog),
    'uint32_t',
  ]),
  getsockopt: processLibrary.func('int getsockopt(int, int, int, void *, void *)'),
  sendto: processLibrary.func('int64_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
  recv: processLibrary.func('int64_t recv(int, void *, size_t, int)'),
  recvfrom: processLibrary.func('int64_t recvfrom(int, void *, size_t, int, void *, void *)'),
  close: processLibrary.func('int close(int)'),
  setns: processLibrary.func('int setns(int, int)'),
  unshare: processLibrary.func('int unshare(int)'),
  mount: processLibrary.func('int mount(const char *, const char *, const char *, uint64_t, const void *)'),
  umount2: processLibrary.func('int umount2(const char *, int)'),
  epollCreate: processLibrary.func('int epoll_create1(int)'),
  epollControl: processLibrary.func('int epoll_ctl(int, int, int, const void *)'),
  epollWait: processLibrary.func('int epoll_wait(int, void *, int, int)'),
  eventfd: processLibrary.func('int eventfd(unsigned int, int)'),
  flock: processLibrary.func('int flock(int, int)'),
  ethtool: processLibrary.func('ioctl', 'int', ['int', 'unsigned long', koffi.pointer(ifreq)]),
  deviceIoctl: processLibrary.func('int ioctl(int, unsigned long, void *)'),
  read: processLibrary.func('int64_t read(int, void *, size_t)'),
  write: processLibrary.func('int64_t write(int, const void *, size_t)'),
};

// errno belongs to the thread and anything may overwrite it: it is read in the statement after the call.
function checked(syscall: string, result: number, subject?: string): number {
  if (result >= 0) return result;
  throw new SystemError(syscall, koffi.errno(), subject);
}

/** Runs a call on a thread of libuv's pool. Koffi restores the call's errno for the callback, and only there. */
function offThread(syscall: string, start: (done: (failure: unknown, result: number) => void) => void) {
  return new Promise<number>((resolve, reject) => {
    start((failure, result) => {
      const errno = koffi.errno();
      if (failure) reject(failure);
      else if (result < 0) reject(new SystemError(syscall, errno));
      else resolve(result);
    });
  });
}

const lengthOut = Buffer.alloc(4);

/**
 * The calls of libc that Node does not offer. Each throws `SystemError` with the errno; buffers are used in place.
 * Everything is synchronous and on the calling (main) thread except where the name ends in `OffThread`.
 */
export const libc = {
  /** socket(2). */
  socket: (domain: number, type: number, protocol: number): number =>
    checked('socket', raw.socket(domain, type, protocol)),
  /** bind(2) with the address structure as bytes. */
  bind: (descriptor: number, address: Uint8Array): void => {
    checked('bind', raw.bind(descriptor, address, address.length));
  },
  /** getsockname(2): fills `address`, returns its length. */
  getsockname: (descriptor: number, address: Uint8Array): number => {
    lengthOut.writeUInt32LE(address.length);
    checked('getsockname', raw.getsockname(descriptor, address, lengthOut));
    return lengthOut.readUInt32LE();
  },
  /** connect(2). A non-blocking stream socket is connecting when it returns: `watchWritable` tells the end. */
  connect: (descriptor: number, address: Uint8Array): void => {
    if (raw.connect(descriptor, address, address.length) >= 0) return;
    const errno = koffi.errno();
    if (errno !== EINPROGRESS) throw new SystemError('connect', errno);
  },
  /** setsockopt(2) with an int. */
  setsockopt: (descriptor: number, level: number, option: number, value: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    checked('setsockopt', raw.setsockopt(descriptor, level, option, bytes, 4));
  },
  /** setsockopt(2) with SO_ATTACH_FILTER: a classic BPF program, 8 bytes an instruction; the kernel copies it. */
  attachFilter: (descriptor: number, program: Uint8Array): void => {
    const fprog = { len: program.length / SOCK_FILTER_LENGTH, filter: program };
    checked(
      'setsockopt',
      raw.attachFilter(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, fprog, SOCK_FPROG_LENGTH),
    );
  },
  /** getsockopt(2): fills `value`, returns the bytes that the kernel wrote. */
  getsockopt: (descriptor: number, level: number, option: number, value: Uint8Array): number => {
    lengthOut.writeUInt32LE(value.length);
    checked('getsockopt', raw.getsockopt(descriptor, level, option, value, lengthOut));
    return lengthOut.readUInt32LE();
  },
  /** sendto(2); `address` null on a connected socket. Returns the bytes sent. */
  sendto: (descriptor: number, bytes: Uint8Array, length: number, address: Uint8Array | null): number =>
    checked('sendto', raw.sendto(descriptor, bytes, length, 0, address, address?.length ?? 0)),
  /** sendto(2) on a pool thread, for messages over which the kernel blocks. Leave `bytes` alone until it settles. */
  sendtoOffThread: (
    descriptor: number,
    bytes: Uint8Array,
    length: number,
    address: Uint8Array | null,
  ): Promise<number> =>
    offThread('sendto', (done) =>
      raw.sendto.async(descriptor, bytes, length, 0, address, address?.length ?? 0, done),
    ),
  /** recv(2) without waiting; -1 if there is nothing now. The length can exceed the buffer with MSG_TRUNC. */
  receive: (descriptor: number, bytes: Uint8Array): number => {
    for (;;) {
      const length: number = raw.recv(descriptor, bytes, bytes.length, MSG_DONTWAIT | MSG_TRUNC);
      if (length >= 0) return length;
      const errno = koffi.errno();
      if (errno === EAGAIN) return -1;
      if (errno !== EINTR) throw new SystemError('recv', errno);
    }
  },
  /** recvfrom(2) without waiting, as `receive`; fills `address` with the sender's. */
  receiveFrom: (descriptor: number, bytes: Uint8Array, address: Uint8Array): number => {
    for (;;) {
      lengthOut.writeUInt32LE(address.length);
      const flags = MSG_DONTWAIT | MSG_TRUNC;
      const length: number = raw.recvfrom(descriptor, bytes, bytes.length, flags, address, lengthOut);
      if (length >= 0) return length;
      const errno = koffi.errno();
      if (errno === EAGAIN) return -1;
      if (errno !== EINTR) throw new SystemError('recvfrom', errno);
    }
  },
  /** close(2). */
  close: (descriptor: number): void => {
    checked('close', raw.close(descriptor));
  },
  /** setns(2), for the calling thread. */
  setns: (descriptor: number, kind: number): void => {
    checked('setns', raw.setns(descriptor, kind));
  },
  /** unshare(2), for the calling thread. */
  unshare: (flags: number): void => {
    checked('unshare', raw.unshare(flags));
  },
  /** mount(2) without data. */
  mount: (source: string, target: string, type: string, flags: number): void => {
    checked('mount', raw.mount(source, target, type, flags, null), target);
  },
  /** umount2(2). */
  umount2: (target: string, flags: number): void => {
    checked('umount2', raw.umount2(target, flags), target);
  },
  /** epoll_create1(2), closed on exec. */
  epollCreate: (): number => checked('epoll_create1', raw.epollCreate(SOCK_CLOEXEC)),
  /** epoll_ctl(2): operation 1 adds, 2 removes, 3 modifies. The descriptor is the event's data. */
  epollControl: (epoll: number, operation: 1 | 2 | 3, descriptor: number, events: number): void => {
    checked('epoll_ctl', raw.epollControl(epoll, operation, descriptor, epollEvent(events, descriptor)));
  },
  /** epoll_wait(2) on a pool thread; waits without limit. Returns the count of events. */
  epollWaitOffThread: (epoll: number, events: Uint8Array, capacity: number): Promise<number> =>
    offThread('epoll_wait', (done) => raw.epollWait.async(epoll, events, capacity, -1, done)),
  /** epoll_wait(2), which blocks the thread; -1 waits without limit. Returns the count of events. */
  epollWait: (epoll: number, events: Uint8Array, capacity: number, milliseconds: number): number =>
    checked('epoll_wait', raw.epollWait(epoll, events, capacity, milliseconds)),
  /** eventfd(2), non-blocking, closed on exec. */
  eventfd: (): number => checked('eventfd', raw.eventfd(0, SOCK_CLOEXEC | 0o4000)),
  /** flock(2), exclusive, without waiting; false if another open file holds it. The kernel frees it at the last close. */
  tryLock: (descriptor: number): boolean => {
    if (raw.flock(descriptor, LOCK_EX | LOCK_NB) >= 0) return true;
    const errno = koffi.errno();
    if (errno === EAGAIN) return false;
    throw new SystemError('flock', errno);
  },
  /** read(2) into a buffer; returns the bytes read. */
  read: (descriptor: number, bytes: Uint8Array): number =>
    checked('read', raw.read(descriptor, bytes, bytes.length)),
  /** ioctl(2) with SIOCETHTOOL: `command` is one of the structures of linux/ethtool.h as bytes; what the kernel answers is written into it. */
  ethtool: (descriptor: number, device: string, command: Uint8Array): void => {
    const name = new Uint8Array(IFNAMSIZ);
    name.set(Buffer.from(device).subarray(0, IFNAMSIZ - 1));
    const request = { name, data: command, rest: new Uint8Array(16) };
    checked('ioctl', raw.ethtool(descriptor, SIOCETHTOOL, request), device);
  },
  /** ioctl(2) with a question of netdevice(7): what struct ifreq has behind the name then; undefined: there is no such device. */
  askDevice: (descriptor: number, question: number, device: string): Buffer | undefined => {
    const request = Buffer.alloc(IFREQ_LENGTH);
    request.write(device, 0, IFNAMSIZ - 1);
    if (raw.deviceIoctl(descriptor, question, request) >= 0) return request.subarray(IFNAMSIZ);
    const errno = koffi.errno();
    if (errno === ENODEV) return undefined;
    throw new SystemError('ioctl', errno, device);
  },
  /** write(2) of bytes to a descriptor. */
  write: (descriptor: number, bytes: Uint8Array): number =>
    checked('write', raw.write(descriptor, bytes, bytes.length)),
};

/** sizeof(struct epoll_event): packed on x86-64, naturally aligned elsewhere (linux/eventpoll.h). */
export const EPOLL_EVENT_LENGTH = process.arch === 'x64' ? 12 : 16;
export const EPOLL_DATA_OFFSET = EPOLL_EVENT_LENGTH - 8;

function epollEvent(events: number, descriptor: number): Uint8Array {
  const bytes = Buffer.alloc(EPOLL_EVENT_LENGTH);
  bytes.writeUInt32LE(events);
  bytes.writeInt32LE(descriptor, EPOLL_DATA_OFFSET);
  return bytes;
}
