import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { systemClock } from '@outboard/core';
import { libc, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SystemError, watchReadable } from '@outboard/ffi';
import type { Endpoint } from '../places.js';
import {
  connectTcp,
  decodeSocketAddress,
  encodeSocketAddress,
  openSocket,
  type SocketAddress,
  versionOf,
} from '../sockets.js';

const PAYLOAD_BYTES = 64;
const MAX_PAYLOAD_BYTES = 1 << 20;
const TIMEOUT_MILLISECONDS = 1000;
const MAX_GREETING = 512;
const SO_REUSEADDR = 2;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const NEWLINE = 10;

/** What the echoing side tells about itself and about who asks. */
interface Greeting {
  readonly server: string;
  readonly client: SocketAddress;
}

export type ConnectOutcome =
  /** The payload came back unchanged. `client` is the caller as the server saw it: with NAT on the way, another. */
  | {
      readonly kind: 'echoed';
      readonly server: string;
      readonly client: SocketAddress;
      readonly milliseconds: number;
    }
  /** Something answered, but not what was sent. */
  | { readonly kind: 'corrupt'; readonly detail: string }
  /** The errno's name: ECONNREFUSED (rejected), ETIMEDOUT (dropped), EHOSTUNREACH, ECONNRESET, ... */
  | { readonly kind: 'failed'; readonly code: string };

export interface EchoOptions {
  /** Bytes; default 64, at most 1 MiB (TCP) or 60,000 (UDP). */
  readonly payloadBytes?: number;
  /** For all of it; default 1000. */
  readonly timeoutMilliseconds?: number;
  readonly source?: SocketAddress;
}

/**
 * A server in an endpoint's namespace that tells its name and returns what it is sent, over TCP and UDP, IPv4 and IPv6.
 * It listens at all addresses, and so also at a service's address that is translated to the endpoint.
 */
export class EchoServer implements Disposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  readonly #datagrams: number;
  readonly #watcher: Disposable;
  readonly #name: string;

  private constructor(name: string, server: Server, datagrams: number) {
    this.#name = name;
    this.#server = server;
    this.#datagrams = datagrams;
    this.#watcher = watchReadable(datagrams, () => this.#answerDatagrams());
    server.on('connection', (connection) => this.#serve(connection));
  }

  /** Resolves when it listens. Throws SystemError (EADDRINUSE). */
  static async listen(endpoint: Endpoint, port: number): Promise<EchoServer> {
    const listener = bound(endpoint, SOCK_STREAM, port);
    let datagrams: number;
    try {
      datagrams = bound(endpoint, SOCK_DGRAM, port);
    } catch (failure) {
      libc.close(listener);
      throw failure;
    }
    const echo = new EchoServer(endpoint.name, createServer(), datagrams);
    await new Promise<void>((resolve, reject) => {
      echo.#server.once('error', reject);
      echo.#server.listen({ fd: listener }, resolve);
    });
    return echo;
  }

  [Symbol.dispose](): void {
    this.#watcher[Symbol.dispose]();
    libc.close(this.#datagrams);
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
  }

  #serve(connection: Socket): void {
    this.#connections.add(connection);
    connection.on('close', () => this.#connections.delete(connection));
    // A reset by the client is the client's to report.
    connection.on('error', () => connection.destroy());
    const ip = (connection.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
    connection.write(greeting({ server: this.#name, client: { ip, port: connection.remotePort ?? 0 } }));
    connection.pipe(connection);
  }

  #answerDatagrams(): void {
    const buffer = Buffer.alloc(65_536);
    const from = Buffer.alloc(28);
    for (;;) {
      const length = libc.receiveFrom(this.#datagrams, buffer, from);
      if (length < 0) return;
      const head = greeting({ server: this.#name, client: decodeSocketAddress(from) });
      const answer = Buffer.concat([head, buffer.subarray(0, length)]);
      try {
        libc.sendto(this.#datagrams, answer, answer.length, from);
      } catch (failure) {
        // The way back is closed: the client sees no answer, which is what it is to see.
        if (!(failure instanceof SystemError)) throw failure;
      }
    }
  }
}

const greeting = (content: Greeting): Buffer => Buffer.from(`${JSON.stringify(content)}\n`);

/** A socket at a port of all addresses, of both IP versions. */
function bound(endpoint: Endpoint, type: number, port: number): number {
  const descriptor = openSocket(endpoint.namespace, 6, type);
  try {
    libc.setsockopt(descriptor, SOL_IPV6, IPV6_V6ONLY, 0);
    // Connections of a server before may still be in TIME_WAIT. For datagrams it would let two bind at once.
    if (type === SOCK_STREAM) libc.setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    libc.bind(descriptor, encodeSocketAddress({ ip: '::', port }));
    return descriptor;
  } catch (failure) {
    libc.close(descriptor);
    throw failure;
  }
}

/** Connects, sends a payload and compares what comes back. Needs an `EchoServer` at the other end. Never rejects. */
export async function tcpEcho(
  from: Endpoint,
  destination: SocketAddress,
  options: EchoOptions = {},
): Promise<ConnectOutcome> {
  const startedAt = systemClock.monotonic();
  const timeoutMilliseconds = options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS;
  const payload = randomBytes(Math.min(options.payloadBytes ?? PAYLOAD_BYTES, MAX_PAYLOAD_BYTES));
  let connection: Socket | undefined;
  try {
    connection = await connectTcp(from.namespace, destination, { ...options, timeoutMilliseconds });
    const left = timeoutMilliseconds - (systemClock.monotonic() - startedAt);
    return judge(await exchange(connection, payload, left), payload, startedAt);
  } catch (failure) {
    return failed(failure);
  } finally {
    connection?.destroy();
  }
}

/** Sends one datagram and compares the answer. Needs an `EchoServer` at the other end. Never rejects. */
export async function udpEcho(
  from: Endpoint,
  destination: SocketAddress,
  options: EchoOptions = {},
): Promise<ConnectOutcome> {
  const startedAt = systemClock.monotonic();
  const payload = randomBytes(Math.min(options.payloadBytes ?? PAYLOAD_BYTES, 60_000));
  let descriptor: number | undefined;
  let watcher: Disposable | undefined;
  let timer: Disposable | undefined;
  try {
    const own = openSocket(from.namespace, versionOf(destination.ip), SOCK_DGRAM);
    descriptor = own;
    if (options.source !== undefined) libc.bind(own, encodeSocketAddress(options.source));
    // Connected, so that the kernel reports a refusal (ICMP) to this socket and drops what others send to it.
    libc.connect(own, encodeSocketAddress(destination));
    libc.sendto(own, payload, payload.length, null);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      timer = systemClock.schedule(options.timeoutMilliseconds ?? TIMEOUT_MILLISECONDS, () =>
        reject(timedOut()),
      );
      watcher = watchReadable(own, () => {
        const buffer = Buffer.alloc(65_536);
        try {
          const length = libc.receive(own, buffer);
          if (length >= 0) resolve(buffer.subarray(0, length));
        } catch (failure) {
          reject(failure);
        }
      });
    });
    return judge(answer, payload, startedAt);
  } catch (failure) {
    return failed(failure);
  } finally {
    timer?.[Symbol.dispose]();
    watcher?.[Symbol.dispose]();
    if (descriptor !== undefined) libc.close(descriptor);
  }
}

/**
 * The same with a server of its own at the other endpoint, for the time of the probe; to the endpoint's first address
 * of an IP version that the caller has too.
 */
export async function tcpConnect(
  from: Endpoint,
  to: Endpoint,
  port: number,
  options: EchoOptions = {},
): Promise<ConnectOutcome> {
  const versions = new Set(from.addresses.map(versionOf));
  const ip = to.addresses.find((address) => versions.has(versionOf(address)));
  if (ip === undefined) return { kind: 'failed', code: 'EADDRNOTAVAIL' };
  const server = await EchoServer.listen(to, port);
  try {
    return await tcpEcho(from, { ip, port }, options);
  } finally {
    server[Symbol.dispose]();
  }
}

/** Writes the payload; everything that the other side sends, as soon as greeting and payload can be in it. */
function exchange(connection: Socket, payload: Buffer, timeoutMilliseconds: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let expected = Number.POSITIVE_INFINITY;
    const timer = systemClock.schedule(Math.max(0, timeoutMilliseconds), () =>
      finish(() => reject(timedOut())),
    );
    const finish = (settle: () => void): void => {
      timer[Symbol.dispose]();
      settle();
    };
    connection.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (expected === Number.POSITIVE_INFINITY) {
        const end = Buffer.concat(chunks).indexOf(NEWLINE);
        if (end >= 0) expected = end + 1 + payload.length;
        else if (length > MAX_GREETING) expected = 0;
      }
      if (length >= expected) finish(() => resolve(Buffer.concat(chunks)));
    });
    connection.on('error', (failure) => finish(() => reject(failure)));
    connection.on('end', () => finish(() => resolve(Buffer.concat(chunks))));
    connection.write(payload);
  });
}

function judge(answer: Buffer, payload: Buffer, startedAt: number): ConnectOutcome {
  const end = answer.indexOf(NEWLINE);
  const rest = answer.subarray(end + 1);
  if (end < 0 || !rest.equals(payload)) {
    return { kind: 'corrupt', detail: `${rest.length} bytes came back for ${payload.length}` };
  }
  const { server, client } = JSON.parse(answer.subarray(0, end).toString('utf8')) as Greeting;
  return { kind: 'echoed', server, client, milliseconds: systemClock.monotonic() - startedAt };
}

const timedOut = (): Error => Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });

function failed(failure: unknown): ConnectOutcome {
  if (failure instanceof Error && 'code' in failure) return { kind: 'failed', code: String(failure.code) };
  throw failure;
}
