import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Log } from '@outboard/service-shell/process';
import { decodeCall, encodeAnswer, MAX_CALL_BYTES, type PluginCall } from './plugin-protocol.js';
import { type PluginAnswer, tryAgainLater } from './verbs.js';

/** Calls that are handled at once; runtimes try again. */
const MAX_CALLS = 512;
/** The plugin writes all it has at once. */
const READ_MILLISECONDS = 5_000;

/** The Unix socket that the plugin talks to. Root's alone: who may call it may cut pods off. */
export class PluginServer implements AsyncDisposable {
  readonly #server: Server;
  #calls = 0;

  private constructor(
    private readonly handle: (call: PluginCall) => Promise<PluginAnswer>,
    private readonly log: Log,
    private readonly readMilliseconds: number,
  ) {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Listens. Whoever owns the path owns the agent's lock, so a socket that is there is of one that died. */
  static async listen(
    path: string,
    handle: (call: PluginCall) => Promise<PluginAnswer>,
    log: Log,
    readMilliseconds = READ_MILLISECONDS,
  ): Promise<PluginServer> {
    const server = new PluginServer(handle, log, readMilliseconds);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject).listen(path, resolve);
    });
    chmodSync(path, 0o600);
    return server;
  }

  /** Takes no more calls, and resolves when those that came were answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: Socket): void {
    const chunks: Buffer[] = [];
    let length = 0;
    socket.setTimeout(this.readMilliseconds, () => {
      // When this process was held up, the call may have come long ago: what is there is read after the timers.
      const { bytesRead } = socket;
      setImmediate(() => socket.bytesRead > bytesRead || socket.readableEnded || socket.destroy());
    });
    // A plugin that was killed by its runtime: what it asked for is done or rolled back all the same.
    socket.on('error', (err) => this.log.debug({ err }, 'a plugin has gone'));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_CALL_BYTES) socket.destroy();
    });
    socket.on('end', () => {
      socket.setTimeout(0);
      void this.#answer(socket, Buffer.concat(chunks));
    });
  }

  async #answer(socket: Socket, bytes: Buffer): Promise<void> {
    const call = decodeCall(bytes);
    if (call === undefined) {
      socket.destroy();
      return;
    }
    if (this.#calls >= MAX_CALLS) {
      socket.end(encodeAnswer(tryAgainLater(`the agent handles ${MAX_CALLS} calls already`)));
      return;
    }
    this.#calls++;
    try {
      socket.end(encodeAnswer(await this.handle(call)));
    } finally {
      this.#calls--;
    }
  }
}
