import { ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { libc } from './libc.js';
import { Poller } from './poller.js';
import { SharedMemory } from './shared-memory.js';
import { unixSocket, WOULD_BLOCK } from './unix-socket.js';

function withSockets(action: (client: number, server: number) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'ffi-unix-'));
  const path = join(directory, 'socket');
  const listener = unixSocket.listen(path, 4);
  const client = unixSocket.connect(path);
  const server = unixSocket.accept(listener);
  try {
    action(client, server);
  } finally {
    for (const descriptor of [client, server, listener]) libc.close(descriptor);
    rmSync(directory, { recursive: true });
  }
}

it('what one maps the other sees, through a descriptor that came over a socket; nobody can shrink it', () => {
  withSockets((client, server) => {
    const made = SharedMemory.create('test', 8192);
    expect(unixSocket.sendDescriptor(server, Buffer.from('here'), made.descriptor)).toBe(4);
    const bytes = Buffer.alloc(16);
    const { count, passed } = unixSocket.receiveDescriptor(client, bytes);
    expect([count, bytes.toString('latin1', 0, 4)]).toEqual([4, 'here']);
    const mapped = SharedMemory.map(passed ?? -1, 8192);
    made.bytes[8191] = 42;
    mapped.bytes[0] = 7;
    expect([mapped.bytes[8191], made.bytes[0]]).toEqual([42, 7]);
    expect(() => ftruncateSync(mapped.descriptor, 0)).toThrow('EPERM');
    mapped[Symbol.dispose]();
    made[Symbol.dispose]();
    made[Symbol.dispose]();
  });
});

it('memory whose size is not sealed is not mapped', () => {
  const directory = mkdtempSync(join(tmpdir(), 'ffi-memory-'));
  const descriptor = openSync(join(directory, 'file'), 'w+');
  try {
    ftruncateSync(descriptor, 4096);
    expect(() => SharedMemory.map(descriptor, 4096)).toThrow('EINVAL');
  } finally {
    libc.close(descriptor);
    rmSync(directory, { recursive: true });
  }
});

it('a socket tells who is at the other end, does not wait, and says when that is gone', () => {
  withSockets((client, server) => {
    expect(unixSocket.peerOf(server)).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    const bytes = new Uint8Array(8);
    expect(unixSocket.receive(server, bytes)).toBe(WOULD_BLOCK);
    expect(unixSocket.send(client, new Uint8Array([1, 2, 3]))).toBe(3);
    expect(unixSocket.receive(server, bytes)).toBe(3);
  });
  expect(() => unixSocket.connect('/nonexistent/socket')).toThrow('ENOENT');
  expect(() => unixSocket.listen(`/tmp/${'x'.repeat(200)}`, 1)).toThrow('ENAMETOOLONG');
});

it('a poller calls whoever is ready, with what it is asked for at the time', () => {
  withSockets((client, server) => {
    const poller = new Poller();
    let calls = 0;
    poller.add(server, () => calls++);
    poller.wait(0);
    expect(calls).toBe(0);
    unixSocket.send(client, new Uint8Array(1));
    poller.wait(-1);
    expect(calls).toBe(1);
    poller.change(server, { readable: false, writable: false });
    poller.wait(0);
    expect(calls).toBe(1);
    poller.change(server, { readable: false, writable: true });
    poller.wait(-1);
    expect(calls).toBe(2);
    poller.remove(server);
    poller.wait(0);
    expect(calls).toBe(2);
    poller[Symbol.dispose]();
  });
});
