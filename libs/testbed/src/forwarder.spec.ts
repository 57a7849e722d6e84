import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Forwarder } from './forwarder.js';
import { EchoServer } from './probes/echo.js';
import { Testbed } from './testbed.js';
import { specification } from './testing.js';

let testbed: Testbed;
let forwarder: Forwarder;

beforeAll(async () => {
  testbed = await Testbed.create(specification(0, 0));
  forwarder = await Forwarder.listen({
    namespace: testbed.control.namespace,
    destination: { ip: testbed.plan.control.ip, port: 4222 },
  });
});

afterAll(async () => {
  await forwarder.close();
  await testbed.dispose();
});

/** What comes back until so many bytes are there or the connection ends; undefined: it ended without a byte. */
const answer = (socket: Socket, bytes: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.length >= bytes) resolve(text);
    });
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(text === '' ? undefined : text));
  });

const dial = (): Socket => connect(forwarder.port, '127.0.0.1');

it('a client outside reaches a server inside, and reaches it again after the server was away', async () => {
  for (let round = 0; round < 2; round++) {
    const nobody = dial();
    expect(await answer(nobody, 1)).toBeUndefined();

    const server = await EchoServer.listen(testbed.control, 4222);
    const client = dial();
    client.write('x'.repeat(100_000));
    const text = await answer(client, 100_000);
    expect(text).toMatch(/^{"server":"control","client":{"ip":"10.255.0.254"/);
    const ended = new Promise((resolve) => client.once('close', resolve));
    server[Symbol.dispose]();
    await ended;
  }
});

it('what one side has ended the other may still answer', async () => {
  const server = await EchoServer.listen(testbed.control, 4222);
  const client = connect({ port: forwarder.port, host: '127.0.0.1', allowHalfOpen: true });
  client.end('last words');
  expect(await answer(client, 1000)).toMatch(/last words$/);
  server[Symbol.dispose]();
});

it('a port that is taken is refused', async () => {
  await expect(
    Forwarder.listen({
      namespace: testbed.control.namespace,
      destination: { ip: '10.255.0.254', port: 4222 },
      port: forwarder.port,
    }),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
});
