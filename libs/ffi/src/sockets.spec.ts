import { createServer } from 'node:net';
import { expect, it } from '@jest/globals';
import { AF_INET, libc, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from './libc.js';
import { watchReadable, watchWritable } from './readiness.js';

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ERROR = 4;
const LOOPBACK = [127, 0, 0, 1];

/** struct sockaddr_in (netinet/in.h). */
function loopback(port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(LOOPBACK, 4);
  return address;
}

const option = (descriptor: number, name: number): number => {
  const value = Buffer.alloc(4);
  expect(libc.getsockopt(descriptor, SOL_SOCKET, name, value)).toBe(4);
  return value.readInt32LE();
};

const once = (watch: typeof watchWritable, descriptor: number): Promise<void> =>
  new Promise((resolve) => {
    const watcher = watch(descriptor, () => {
      watcher[Symbol.dispose]();
      resolve();
    });
  });

it('a connecting socket is writable when the connection stands, and its error is 0', async () => {
  const server = createServer((connection) => connection.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const descriptor = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    libc.connect(descriptor, loopback(port));
    await once(watchWritable, descriptor);
    expect(option(descriptor, SO_ERROR)).toBe(0);
    expect(option(descriptor, SO_TYPE)).toBe(SOCK_STREAM);
  } finally {
    libc.close(descriptor);
    server.close();
  }
});

it('a connection that nobody accepts reports ECONNREFUSED', async () => {
  const descriptor = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  try {
    libc.connect(descriptor, loopback(1));
    await once(watchWritable, descriptor);
    expect(option(descriptor, SO_ERROR)).toBe(111);
  } catch (failure) {
    // Over loopback the refusal may come back before connect(2) returns.
    expect(failure).toMatchObject({ syscall: 'connect', code: 'ECONNREFUSED' });
  } finally {
    libc.close(descriptor);
  }
});

it('a datagram arrives with its sender, and its true length if the buffer is too short', async () => {
  const receiver = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sender = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    libc.bind(receiver, loopback(0));
    libc.bind(sender, loopback(0));
    const own = loopback(0);
    libc.getsockname(receiver, own);
    const senderAddress = loopback(0);
    libc.getsockname(sender, senderAddress);
    const from = Buffer.alloc(16);
    expect(libc.receiveFrom(receiver, Buffer.alloc(4), from)).toBe(-1);
    libc.sendto(sender, Buffer.from('datagram'), 8, own);
    await once(watchReadable, receiver);
    const bytes = Buffer.alloc(4);
    expect(libc.receiveFrom(receiver, bytes, from)).toBe(8);
    expect(bytes.toString()).toBe('data');
    expect(from.subarray(0, 8)).toEqual(senderAddress.subarray(0, 8));
  } finally {
    libc.close(receiver);
    libc.close(sender);
  }
});
