import { createServer, type Server, type Socket } from 'node:net';
import type { NetworkNamespace } from '@outboard/ffi';
import { connectTcp, type SocketAddress } from './sockets.js';

const MAX_CONNECTIONS = 256;

export interface ForwarderOptions {
  /** Where connections are made from. */
  readonly namespace: NetworkNamespace;
  readonly destination: SocketAddress;
  /** On 127.0.0.1 of the caller's namespace; absent or 0: any free one. */
  readonly port?: number;
}

/**
 * Lets programs outside reach a port inside a namespace: what connects to 127.0.0.1 here is connected onward there.
 * When the destination restarts, its connections end and new ones reach the new one. At most 256 at a time.
 */
export class Forwarder implements AsyncDisposable {
  readonly #connections = new Set<Socket>();

  private constructor(
    readonly port: number,
    readonly server: Server,
    options: ForwarderOptions,
  ) {
    server.on('connection', (connection) => void this.#forward(connection, options));
  }

  /** Throws the system's EADDRINUSE. */
  static async listen(options: ForwarderOptions): Promise<Forwarder> {
    // Half-open connections are passed on as such: one side may have ended while the other still sends.
    // What is small is passed on at once, or it would wait 40 ms for the acknowledgement of what went before (RFC 896).
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.maxConnections = MAX_CONNECTIONS;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', () => resolve());
    });
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    return new Forwarder(port, server, options);
  }

  /** Ends all connections and stops listening. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #forward(near: Socket, { namespace, destination }: ForwarderOptions): Promise<void> {
    this.#track(near);
    try {
      const far = await connectTcp(namespace, destination, { allowHalfOpen: true });
      this.#track(far);
      far.setNoDelay();
      near.on('close', () => far.destroy());
      far.on('close', () => near.destroy());
      if (near.destroyed) far.destroy();
      near.pipe(far);
      far.pipe(near);
    } catch {
      // Nobody listens there just now. The client sees its connection end, as if nobody listened here.
      near.destroy();
    }
  }

  #track(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => socket.destroy());
  }
}
