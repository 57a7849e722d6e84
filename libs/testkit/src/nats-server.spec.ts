import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { startNatsServer } from './nats-server.js';

/** What the server says first, or the error of the attempt. */
const greeting = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
  });

describe('the nats-server of a test', () => {
  it('answers with JetStream on, comes back on the same address after a kill, and leaves nothing behind', async () => {
    const server = await startNatsServer();
    const { url, directory } = server;
    expect(JSON.parse((await greeting(url)).slice('INFO '.length))).toMatchObject({ jetstream: true });
    await server.kill();
    await expect(greeting(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await server.start();
    expect(server.url).toBe(url);
    expect(await greeting(url)).toMatch(/^INFO /);
    await server[Symbol.asyncDispose]();
    await expect(greeting(url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(existsSync(directory)).toBe(false);
  });

  it('quotes its log when it cannot start', async () => {
    await expect(startNatsServer({ configure: () => 'no_such_option: 1\n' })).rejects.toThrow(
      /no_such_option/,
    );
  });
});
