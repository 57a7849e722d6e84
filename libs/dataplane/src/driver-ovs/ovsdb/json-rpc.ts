import { connect as connectSocket, type Socket } from 'node:net';
import { AppError } from '@outboard/core';

export interface JsonRpcListener {
  /** What the other side asks for or tells, echo requests aside. */
  onMessage(method: string, params: readonly unknown[]): void;
  onClosed(): void;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (failure: Error) => void;
}

interface JsonRpcMessage {
  readonly id?: number | string | null;
  readonly method?: string;
  readonly params?: readonly unknown[];
  readonly result?: unknown;
  readonly error?: unknown;
}

const MESSAGE_LIMIT = 64 << 20;

/** JSON-RPC 1.0 over a unix socket, as the daemons of Open vSwitch speak it (RFC 7047, 4). */
export class JsonRpcClient {
  readonly #waiting = new Map<number, Waiting>();
  readonly #splitter = new JsonSplitter();
  #nextId = 1;
  #closed = false;

  private constructor(
    private readonly name: string,
    private readonly socket: Socket,
    private readonly listener: JsonRpcListener,
  ) {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#end());
  }

  /** `name`: of who is at the other end, for messages. Throws AppError UNAVAILABLE. */
  static async open(name: string, path: string, listener: JsonRpcListener): Promise<JsonRpcClient> {
    const socket = connectSocket({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(new AppError('UNAVAILABLE', `${path} does not answer: ${cause.message}`, { cause })),
      );
    });
    return new JsonRpcClient(name, socket, listener);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Throws AppError: UNAVAILABLE, or INTERNAL with what the other side said. */
  call(method: string, params: readonly unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(new AppError('UNAVAILABLE', `${this.name} is not connected`));
    const id = this.#nextId++;
    this.socket.write(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  close(): void {
    this.socket.destroy();
  }

  #receive(text: string): void {
    for (const message of this.#splitter.push(text)) this.#dispatch(message as JsonRpcMessage);
  }

  #dispatch({ id, method, params = [], result, error }: JsonRpcMessage): void {
    if (method === 'echo') {
      this.socket.write(JSON.stringify({ id, result: params, error: null }));
    } else if (method !== undefined) {
      this.listener.onMessage(method, params);
    } else if (typeof id === 'number') {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === null || error === undefined) waiting?.resolve(result);
      else waiting?.reject(new AppError('INTERNAL', `${this.name}: ${JSON.stringify(error)}`));
    }
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    const failure = new AppError('UNAVAILABLE', `the connection to ${this.name} ended`);
    for (const { reject } of this.#waiting.values()) reject(failure);
    this.#waiting.clear();
    this.listener.onClosed();
  }
}

/** Takes a stream of JSON objects apart, which nothing divides. */
export class JsonSplitter {
  #text = '';
  #at = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  push(text: string): unknown[] {
    this.#text += text;
    if (this.#text.length > MESSAGE_LIMIT) throw new AppError('RESOURCE_EXHAUSTED', 'a message has no end');
    const found: unknown[] = [];
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at];
      if (this.#escaped) this.#escaped = false;
      else if (this.#inString) {
        if (character === '\\') this.#escaped = true;
        else if (character === '"') this.#inString = false;
      } else if (character === '"') this.#inString = true;
      else if (character === '{') this.#depth++;
      else if (character === '}' && --this.#depth === 0) {
        found.push(JSON.parse(this.#text.slice(0, this.#at + 1)));
        this.#text = this.#text.slice(this.#at + 1);
        this.#at = -1;
      }
    }
    return found;
  }
}
