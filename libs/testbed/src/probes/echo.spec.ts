import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { libc, SOCK_STREAM } from '@outboard/ffi';
import type { Dpu } from '../places.js';
import type { Pod } from '../pod.js';
import { encodeSocketAddress, openSocket } from '../sockets.js';
import type { Testbed } from '../testbed.js';
import { bridgedPods, setRepresentor } from '../testing.js';
import { EchoServer, tcpConnect, tcpEcho, udpEcho } from './echo.js';
import { waitConnected } from './ping.js';

let testbed: Testbed;
let dpu: Dpu;
let client: Pod;
let server: Pod;
let echo: EchoServer;

beforeAll(async () => {
  const world = await bridgedPods(3);
  ({ testbed, dpu } = world);
  [client, server] = world.pods as [Pod, Pod];
  await waitConnected(world.pods);
  echo = await EchoServer.listen(server, 7000);
});

afterAll(async () => {
  echo[Symbol.dispose]();
  await testbed.dispose();
});

describe.each([
  ['TCP', tcpEcho],
  ['UDP', udpEcho],
] as const)('an echo over %s', (_protocol, probe) => {
  it.each(['10.0.1.11', 'fd00:1::11'])('at %s tells who answered and whom it saw', async (ip) => {
    const source = { ip: ip.replace('11', '10'), port: 5555 };
    expect(await probe(client, { ip, port: 7000 }, { source })).toEqual({
      kind: 'echoed',
      server: 'p1',
      client: source,
      milliseconds: expect.any(Number),
    });
  });

  it('carries more than fits into one packet', async () => {
    const options = { payloadBytes: 50_000 };
    expect(await probe(client, { ip: '10.0.1.11', port: 7000 }, options)).toMatchObject({ kind: 'echoed' });
  });

  it('tells a refusal and silence apart', async () => {
    expect(await probe(client, { ip: '10.0.1.11', port: 7001 })).toEqual({
      kind: 'failed',
      code: 'ECONNREFUSED',
    });
    await setRepresentor(dpu, 1, false);
    expect(await probe(client, { ip: '10.0.1.11', port: 7000 }, { timeoutMilliseconds: 100 })).toEqual({
      kind: 'failed',
      code: 'ETIMEDOUT',
    });
    await setRepresentor(dpu, 1, true);
    await waitConnected([client, server]);
  });

  it('without a route fails with what the kernel says', async () => {
    expect(await probe(client, { ip: '192.0.2.1', port: 7000 })).toEqual({
      kind: 'failed',
      code: 'ENETUNREACH',
    });
  });
});

describe('tcpConnect', () => {
  it('brings its own server to the other pod, and takes it away', async () => {
    expect(await tcpConnect(client, server, 7100)).toMatchObject({ kind: 'echoed', server: 'p1' });
    expect(await tcpEcho(client, { ip: '10.0.1.11', port: 7100 })).toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('cannot be where the port is taken, or where there is no address in common', async () => {
    await expect(tcpConnect(client, server, 7000)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(await tcpConnect(client, testbed.fabric, 7000)).toEqual({
      kind: 'failed',
      code: 'EADDRNOTAVAIL',
    });
  });
});

it('an answer that is not what was sent is called corrupt', async () => {
  const pod = testbed.pod('p2');
  const descriptor = openSocket(pod.namespace, 4, SOCK_STREAM);
  libc.bind(descriptor, encodeSocketAddress({ ip: '0.0.0.0', port: 7000 }));
  const liar = createServer((connection) => connection.end('{"server":"liar"}\nno'));
  await new Promise<void>((resolve) => liar.listen({ fd: descriptor }, resolve));
  try {
    expect(await tcpEcho(client, { ip: '10.0.1.12', port: 7000 })).toEqual({
      kind: 'corrupt',
      detail: '2 bytes came back for 64',
    });
  } finally {
    liar.close();
  }
});
