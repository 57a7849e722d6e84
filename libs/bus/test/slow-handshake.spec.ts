import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from '@jest/globals';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { connectNats } from '../src/nats/bus.js';

const INFO =
  'INFO {"server_id":"busy","version":"2.9.10","proto":1,"max_payload":1048576,"auth_required":true}\r\n';

/** Refuses the first clients for being slow, as nats-server does, and is there for the others. */
class BusyServer implements AsyncDisposable {
  readonly #sockets = new Set<Socket>();
  connections = 0;

  private constructor(
    private readonly server: Server,
    private readonly nats: NatsServer,
  ) {}

  static async open(refused: number, why: string): Promise<BusyServer> {
    const nats = await startNatsServer();
    const { hostname, port } = new URL(nats.url);
    const server = createServer((client) => {
      busy.#sockets.add(client);
      client.on('error', () => {});
      if (++busy.connections <= refused) {
        client.write(INFO);
        client.once('data', () => client.end(`-ERR '${why}'\r\n`));
        return;
      }
      const upstream = connect(Number(port), hostname);
      busy.#sockets.add(upstream);
      upstream.on('error', () => {});
      client.pipe(upstream).pipe(client);
    });
    const busy = new BusyServer(server, nats);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return busy;
  }

  get url(): string {
    const address = this.server.address();
    return `nats://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<unknown>((resolve) => this.server.close(resolve));
    await this.nats[Symbol.asyncDispose]();
  }
}

let busy: BusyServer;
afterEach(() => busy[Symbol.asyncDispose]());

it('a client whose handshake took the server too long tries again, and is not refused', async () => {
  busy = await BusyServer.open(2, 'Authentication Timeout');
  const bus = await connectNats({ servers: busy.url, name: 'slow', connectMilliseconds: 20_000 });
  expect(busy.connections).toBe(3);
  await bus[Symbol.asyncDispose]();
});

it('a client that has no right to connect is refused at once', async () => {
  busy = await BusyServer.open(100, 'Authorization Violation');
  const refused = connectNats({ servers: busy.url, name: 'stranger', connectMilliseconds: 20_000 });
  await expect(refused).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(busy.connections).toBe(1);
});
