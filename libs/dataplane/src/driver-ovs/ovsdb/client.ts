import { connect as connectSocket, type Socket } from 'node:net';
import { AppError } from '@outboard/core';

/** A value of a column (RFC 7047, 5.1), sets and maps already taken apart. */
export type Row = Readonly<Record<string, unknown>>;
/** By table, then by uuid. A row that is gone has no `new`. */
export type TableUpdates = Readonly<Record<string, Readonly<Record<string, { old?: Row; new?: Row }>>>>;

export interface OvsdbListener {
  onUpdate(updates: TableUpdates): void;
  onClosed(): void;
}

/** One operation of a transaction, as in RFC 7047, 5.2. */
export type DatabaseOperation = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (failure: Error) => void;
}

const DATABASE = 'Open_vSwitch';
const NEWLINE_LIMIT = 64 << 20;

export const uuid = (id: string): unknown => ['uuid', id];
export const named = (id: string): unknown => ['named-uuid', id];
export const setOf = (values: readonly unknown[]): unknown => ['set', values];
export const mapOf = (value: Readonly<Record<string, string>>): unknown => ['map', Object.entries(value)];

/** JSON-RPC with ovsdb-server over its unix socket (RFC 7047). */
export class OvsdbClient {
  readonly #waiting = new Map<number, Waiting>();
  readonly #splitter = new JsonSplitter();
  #nextId = 1;
  #closed = false;

  private constructor(
    private readonly socket: Socket,
    private readonly listener: OvsdbListener,
  ) {
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#end());
  }

  /** Throws AppError UNAVAILABLE. */
  static async open(path: string, listener: OvsdbListener): Promise<OvsdbClient> {
    const socket = connectSocket({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(new AppError('UNAVAILABLE', `${path} does not answer: ${cause.message}`, { cause })),
      );
    });
    return new OvsdbClient(socket, listener);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Tells the rows of these columns that are there, by the listener, and then every change of them. */
  async monitor(columns: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const requests = Object.fromEntries(
      Object.entries(columns).map(([table, names]) => [table, [{ columns: names }]]),
    );
    this.listener.onUpdate((await this.#call('monitor', [DATABASE, null, requests])) as TableUpdates);
  }

  /**
   * All operations or none; one result each. What it changed is told to the listener before.
   * Throws AppError: UNAVAILABLE, FAILED_PRECONDITION with what the database refused.
   */
  async transact(operations: readonly DatabaseOperation[]): Promise<readonly Row[]> {
    const results = (await this.#call('transact', [DATABASE, ...operations])) as readonly (Row | null)[];
    for (const result of results) {
      if (result?.error === undefined) continue;
      const message = `${String(result.error)}: ${String(result.details ?? '')}`;
      throw new AppError('FAILED_PRECONDITION', message);
    }
    return results.map((result) => result ?? {});
  }

  close(): void {
    this.socket.destroy();
  }

  #call(method: string, params: readonly unknown[]): Promise<unknown> {
    if (this.#closed) throw new AppError('UNAVAILABLE', 'ovsdb-server is not connected');
    const id = this.#nextId++;
    this.socket.write(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #receive(text: string): void {
    for (const message of this.#splitter.push(text)) this.#dispatch(message as never);
  }

  #dispatch(message: {
    id?: number | string | null;
    method?: string;
    params?: unknown[];
    result?: unknown;
    error?: unknown;
  }): void {
    if (message.method === 'echo') {
      this.socket.write(JSON.stringify({ id: message.id, result: message.params, error: null }));
    } else if (message.method === 'update') {
      this.listener.onUpdate(message.params?.[1] as TableUpdates);
    } else if (typeof message.id === 'number') {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === null || message.error === undefined) waiting?.resolve(message.result);
      else waiting?.reject(new AppError('INTERNAL', `ovsdb-server: ${JSON.stringify(message.error)}`));
    }
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    const failure = new AppError('UNAVAILABLE', 'the connection to ovsdb-server ended');
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
    if (this.#text.length > NEWLINE_LIMIT) throw new AppError('RESOURCE_EXHAUSTED', 'a message has no end');
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

/** The elements of a set, also of one that is written as its only element. */
export function elementsOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value) && value[0] === 'set') return value[1] as unknown[];
  return value === undefined || value === null ? [] : [value];
}

export function entriesOf(value: unknown): Readonly<Record<string, string>> {
  if (!Array.isArray(value) || value[0] !== 'map') return {};
  return Object.fromEntries(value[1] as [string, string][]);
}

export const uuidsOf = (value: unknown): string[] =>
  elementsOf(value).flatMap((each) => (Array.isArray(each) && each[0] === 'uuid' ? [String(each[1])] : []));
