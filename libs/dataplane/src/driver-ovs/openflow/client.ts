import { connect as connectSocket, type Socket } from 'node:net';
import { AppError } from '@outboard/core';
import {
  addToBundle,
  commitBundle,
  discardBundle,
  encodeMessage,
  HEADER_LENGTH,
  MAX_MESSAGE,
  type Message,
  multipartOf,
  openBundle,
  TYPE,
  VERSION,
} from './messages.js';

/** What the switch said to a message; `index` is the message's. */
export interface Refusal {
  readonly index: number;
  /** `type.code` of the error, as openflow.h numbers them. */
  readonly code: string;
  readonly message: string;
}

export interface OpenFlowListener {
  /** A part of what is told without, or before, an answer: flow updates. */
  onMultipart(type: number, content: Buffer): void;
  /** Another connection changed a group. */
  onForwardedRequest(body: Buffer): void;
  /** Nothing comes any more; `open` makes another connection. */
  onClosed(): void;
}

/** Names of the errors that our messages can meet (OpenFlow 1.5, 7.5.4). */
const ERROR_NAMES: Readonly<Record<string, string>> = {
  '2.4': 'an output to a port that is not there',
  '2.9': 'an action on a group that is not there',
  '5.1': 'the table is full',
  '6.0': 'the group exists already',
  '6.8': 'there is no such group',
  '17.15': 'a message of the bundle failed',
};

interface Waiting {
  readonly resolve: (parts: Buffer[]) => void;
  readonly reject: (failure: Error) => void;
  readonly parts: Buffer[];
}

/** How many messages of a bundle fit into one write to the socket without keeping the loop. */
const BUNDLE_MESSAGES = 1000;
const MAX_REFUSALS = 100_000;
const ANSWER_MILLISECONDS = 30_000;

/**
 * A connection to one bridge's management socket. Messages are sent in the order of the calls; what a `send` changed
 * is told to the listener before its promise resolves, for the switch answers in order.
 */
export class OpenFlowClient {
  readonly #waiting = new Map<number, Waiting>();
  /** By transaction id: the first refusal of a message that is under way. */
  readonly #refusals = new Map<number, { code: string; message: string }>();
  #received: Buffer = Buffer.alloc(0);
  #nextId = 1;
  #nextBundle = 1;
  #closed = false;

  private constructor(
    private readonly socket: Socket,
    private readonly listener: OpenFlowListener,
  ) {
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#end());
  }

  /** Connects and agrees on the version. Throws AppError UNAVAILABLE. */
  static async open(path: string, listener: OpenFlowListener): Promise<OpenFlowClient> {
    const socket = connectSocket({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(new AppError('UNAVAILABLE', `${path} does not answer: ${cause.message}`, { cause })),
      );
    });
    const client = new OpenFlowClient(socket, listener);
    client.#write({ type: TYPE.HELLO, body: Buffer.from([0, 1, 0, 8, 0, 0, 0, 1 << VERSION]) });
    await client.barrier();
    return client;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Asks and gathers the parts of the answer. Throws AppError: UNAVAILABLE, or INTERNAL with the switch's refusal. */
  async request(message: Message): Promise<Buffer[]> {
    return this.#await(this.#write(message));
  }

  /** Resolves when everything before was worked off. */
  async barrier(): Promise<void> {
    await this.request({ type: TYPE.BARRIER_REQUEST, body: Buffer.alloc(0) });
  }

  /** Carries out messages one by one; returns the refusals. */
  async send(messages: readonly Message[]): Promise<Refusal[]> {
    const ids = messages.map((message) => this.#write(message));
    await this.barrier();
    return this.#takeRefusals(ids);
  }

  /**
   * Carries out all messages at once, so that packets meet either none or all of them: none if some are refused, which are
   * returned. If the switch does not say which, each is carried out by itself.
   */
  async commit(messages: readonly Message[]): Promise<Refusal[]> {
    if (messages.length < 2) return this.send(messages);
    const bundle = this.#nextBundle++ >>> 0;
    const ids: number[] = [];
    try {
      await this.request(openBundle(bundle));
      await this.#addAll(bundle, messages, ids);
      // What is refused here is left out of the bundle, which would go through without it.
      const refusals = this.#takeRefusals(ids);
      if (refusals.length > 0) this.#write(discardBundle(bundle));
      else await this.request(commitBundle(bundle));
      return refusals;
    } catch (failure) {
      if (this.#closed) throw failure;
      const refusals = this.#takeRefusals(ids);
      return refusals.length > 0 ? refusals : this.send(messages);
    }
  }

  close(): void {
    this.socket.destroy();
  }

  async #addAll(bundle: number, messages: readonly Message[], ids: number[]): Promise<void> {
    for (let start = 0; start < messages.length; start += BUNDLE_MESSAGES) {
      for (const message of messages.slice(start, start + BUNDLE_MESSAGES))
        ids.push(this.#write(addToBundle(bundle, message, this.#nextId)));
      await this.barrier();
    }
  }

  #takeRefusals(ids: readonly number[]): Refusal[] {
    return ids.flatMap((id, index) => {
      const refusal = this.#refusals.get(id);
      this.#refusals.delete(id);
      return refusal === undefined ? [] : [{ index, ...refusal }];
    });
  }

  #write(message: Message): number {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'the switch is not connected');
    if (message.body.length > MAX_MESSAGE)
      throw new AppError('RESOURCE_EXHAUSTED', `a message of ${message.body.length} bytes is too long`);
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    this.socket.write(encodeMessage(message, id));
    return id;
  }

  #await(id: number): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      // Not every refusal is told (of what it cannot decode); a switch that is silent for so long is not there.
      const timer = setTimeout(() => this.socket.destroy(), ANSWER_MILLISECONDS);
      const settled =
        <Value>(settle: (value: Value) => void) =>
        (value: Value): void => {
          clearTimeout(timer);
          settle(value);
        };
      this.#waiting.set(id, { resolve: settled(resolve), reject: settled(reject), parts: [] });
    });
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    let start = 0;
    while (this.#received.length - start >= HEADER_LENGTH) {
      const length = Math.max(HEADER_LENGTH, this.#received.readUInt16BE(start + 2));
      if (this.#received.length - start < length) break;
      const message = this.#received.subarray(start, start + length);
      this.#dispatch(message.readUInt8(1), message.readUInt32BE(4), message.subarray(HEADER_LENGTH));
      start += length;
    }
    this.#received = this.#received.subarray(start);
  }

  #dispatch(type: number, id: number, body: Buffer): void {
    switch (type) {
      case TYPE.ECHO_REQUEST:
        this.socket.write(encodeMessage({ type: TYPE.ECHO_REPLY, body }, id));
        return;
      case TYPE.ERROR:
        this.#refused(id, body);
        return;
      case TYPE.MULTIPART_REPLY: {
        const { type: kind, more, content } = multipartOf(body);
        this.listener.onMultipart(kind, content);
        const waiting = this.#waiting.get(id);
        waiting?.parts.push(content);
        if (!more) this.#answered(id);
        return;
      }
      case TYPE.BARRIER_REPLY:
      case TYPE.BUNDLE_CONTROL:
        this.#answered(id);
        return;
      case TYPE.REQUESTFORWARD:
        this.listener.onForwardedRequest(body);
        return;
      default:
    }
  }

  #answered(id: number): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    waiting?.resolve(waiting.parts);
  }

  #refused(id: number, body: Buffer): void {
    const code = `${body.readUInt16BE(0)}.${body.readUInt16BE(2)}`;
    const message = ERROR_NAMES[code] ?? `the switch refused it with OpenFlow error ${code}`;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      // Whoever sent it takes it; of messages that nobody asks after, only so many are kept.
      if (!this.#refusals.has(id) && this.#refusals.size < MAX_REFUSALS)
        this.#refusals.set(id, { code, message });
      return;
    }
    this.#waiting.delete(id);
    waiting.reject(new AppError('INTERNAL', message, { metadata: { code } }));
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    const failure = new AppError('UNAVAILABLE', 'the connection to the switch ended');
    for (const { reject } of this.#waiting.values()) reject(failure);
    this.#waiting.clear();
    this.listener.onClosed();
  }
}
