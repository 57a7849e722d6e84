import {
  AuthorizationError,
  connect,
  errors,
  type NatsConnection,
  nkeyAuthenticator,
  PermissionViolationError,
} from '@nats-io/transport-node';
import { AppError, type Clock, Problems, type Random, systemClock, systemRandom } from '@outboard/core';
import { busErrors } from '../errors.js';
import type { ConnectionState } from '../port.js';

export interface NatsOptions {
  /** `nats://host:port`, one or more of one cluster. */
  readonly servers: string | readonly string[];
  /** What the server's operator sees: role and instance. */
  readonly name: string;
  /** NKey seed of the role (see `readCredentials`); absent for a server without authorisation. */
  readonly seed?: Uint8Array;
  /** First token of all inboxes: `_INBOX_<role>`, which nobody else may subscribe to. */
  readonly inboxPrefix?: string;
  /** How long the first connection is tried. Default 10 seconds. */
  readonly connectMilliseconds?: number;
  /** Told once what keeps the first connection from being there, while it is tried. */
  readonly waiting?: (why: AppError) => void;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A scheme or none, a host (an IPv6 address in brackets), a port or none. */
const SERVER = /^((nats|tls):\/\/)?([0-9A-Za-z_.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/;

/** What a server of NATS may be called, with its scheme: no user, no password, no path. */
export const isServerUrl = (text: string): boolean => text.includes('://') && SERVER.test(text);

/** Between two attempts to reach a server, milliseconds; random, so that a fleet does not return in one instant. */
const RECONNECT_MINIMUM = 100;
const RECONNECT_SPREAD = 500;

/** A silent server is given up after two of these, milliseconds. */
const PING_INTERVAL = 10_000;

const DEFAULT_CONNECT_MILLISECONDS = 10_000;
/** A server may be silent for so long before that is worth a word, milliseconds. */
const WORTH_A_WORD = 1_000;

/** What depends on the connection. Called in the order of registration. */
export interface LinkListener {
  /** Connected again: what was sent before may be lost. */
  up?(): void;
  down?(): void;
  /** The server refused a publish or subscription. */
  refused?(operation: 'publish' | 'subscription', subject: string): void;
  closed?(): void;
}

/** The server had no answer to its challenge in time: one of the two is busy, and nobody is refused (nats-server, `auth_timeout`). */
const isTooSlow = (why: string): boolean => /authentication timeout/i.test(why);

/** The connection to NATS with its state. It reconnects for ever, until it is closed or its credentials are refused. */
export class Link {
  readonly connection: NatsConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly inboxPrefix: string;
  readonly #listeners = new Set<LinkListener>();
  readonly #stateListeners = new Set<(state: ConnectionState) => void>();
  #state: ConnectionState = 'connected';
  #inboxes = 0;

  private constructor(connection: NatsConnection, options: NatsOptions & { clock: Clock; random: Random }) {
    this.connection = connection;
    this.clock = options.clock;
    this.random = options.random;
    this.inboxPrefix = `${inboxPrefixOf(options)}.${Buffer.from(options.random.bytes(12)).toString('hex')}`;
    void this.#follow();
  }

  /** Connects, trying again until the time is over. Rejects with UNAVAILABLE, or UNAUTHENTICATED at once. */
  static async open(options: NatsOptions): Promise<Link> {
    const problems = optionProblems(options);
    if (problems) throw problems;
    const { clock = systemClock, random = systemRandom } = options;
    const { connectMilliseconds = DEFAULT_CONNECT_MILLISECONDS } = options;
    let tell = (why: string): void => {
      tell = () => {};
      options.waiting?.(unreachable(options, why));
    };
    const silence = clock.schedule(WORTH_A_WORD, () => tell('no answer yet'));
    try {
      const connection = await Link.#connect(options, { clock, random }, connectMilliseconds, (why) =>
        tell(why),
      );
      return new Link(connection, { ...options, clock, random });
    } finally {
      silence[Symbol.dispose]();
    }
  }

  static async #connect(
    options: NatsOptions,
    { clock, random }: { clock: Clock; random: Random },
    milliseconds: number,
    waiting: (why: string) => void,
  ): Promise<NatsConnection> {
    const limit = clock.monotonic() + milliseconds;
    const servers = serversOf(options);
    const reconnectDelay = (): number => RECONNECT_MINIMUM + RECONNECT_SPREAD * random.fraction();
    for (;;) {
      try {
        return await connect({
          servers,
          name: options.name,
          inboxPrefix: inboxPrefixOf(options),
          // Stack traces for every request cost half of the client's time.
          noAsyncTraces: true,
          maxReconnectAttempts: -1,
          reconnectDelayHandler: reconnectDelay,
          pingInterval: PING_INTERVAL,
          maxPingOut: 2,
          timeout: Math.max(1, limit - clock.monotonic()),
          ...(options.seed ? { authenticator: nkeyAuthenticator(trimmed(options.seed)) } : {}),
        });
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        if (cause instanceof AuthorizationError && !isTooSlow(why)) {
          throw new AppError(
            'UNAUTHENTICATED',
            `NATS at ${servers.join(', ')} refuses ${options.name}: ${why}`,
            {
              cause,
            },
          );
        }
        if (cause instanceof errors.InvalidArgumentError) {
          throw new AppError('INVALID_ARGUMENT', `cannot connect to NATS at ${servers.join(', ')}: ${why}`, {
            cause,
          });
        }
        const delay = reconnectDelay();
        if (clock.monotonic() + delay >= limit) throw unreachable(options, why, cause);
        waiting(why);
        await clock.delay(delay);
      }
    }
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Without effect while it is reconnecting anyway, or when it is closed. */
  reconnect(): void {
    this.connection.reconnect().catch(() => {});
  }

  /** A subject of this connection's own, never used before. */
  inbox(): string {
    return `${this.inboxPrefix}.${++this.#inboxes}`;
  }

  listen(listener: LinkListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  onState(listener: (state: ConnectionState) => void): Disposable {
    this.#stateListeners.add(listener);
    listener(this.#state);
    return { [Symbol.dispose]: () => void this.#stateListeners.delete(listener) };
  }

  /** Sends; nothing tells whether it arrives. What is sent while the connection is down is lost. */
  send(subject: string, body: Uint8Array | string, options?: Parameters<NatsConnection['publish']>[2]): void {
    if (this.#state !== 'closed') this.connection.publish(subject, body, options);
  }

  /** Resolves when the server has seen everything sent so far; waits for the connection if it is down. */
  async flush(): Promise<void> {
    for (;;) {
      if (this.#state === 'closed') throw busErrors.closed();
      try {
        await this.connection.flush();
        return;
      } catch {
        // Disconnected meanwhile: the subscriptions are made again with the connection, then it can be asked again.
        await this.#changed();
      }
    }
  }

  async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    // A drain would wait for a server that is not there.
    if (this.#state === 'connected') await this.connection.drain().catch(() => this.connection.close());
    else await this.connection.close();
    this.#become('closed');
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => {
      let first = true;
      const listening = this.onState(() => {
        if (first) {
          first = false;
          return;
        }
        listening[Symbol.dispose]();
        resolve();
      });
    });
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      switch (status.type) {
        case 'disconnect':
          this.#become('reconnecting');
          for (const listener of this.#listeners) listener.down?.();
          break;
        case 'reconnect':
          this.#become('connected');
          for (const listener of this.#listeners) listener.up?.();
          break;
        case 'error':
          if (status.error instanceof PermissionViolationError) {
            const { operation, subject } = status.error;
            for (const listener of this.#listeners) listener.refused?.(operation, subject);
          }
          break;
        default:
          break;
      }
    }
    await this.connection.closed();
    this.#become('closed');
  }

  #become(state: ConnectionState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    for (const listener of this.#stateListeners) listener(state);
    if (state === 'closed') for (const listener of this.#listeners) listener.closed?.();
  }
}

const serversOf = ({ servers }: NatsOptions): string[] =>
  typeof servers === 'string' ? [servers] : [...servers];

const unreachable = (options: NatsOptions, why: string, cause?: unknown): AppError =>
  new AppError('UNAVAILABLE', `NATS at ${serversOf(options).join(', ')} cannot be reached: ${why}`, {
    cause,
  });

/** A seed is one word; files that people wrote end with a line break. */
const trimmed = (seed: Uint8Array): Uint8Array =>
  new TextEncoder().encode(new TextDecoder().decode(seed).trim());

function optionProblems(options: NatsOptions): AppError | undefined {
  const { name, inboxPrefix, connectMilliseconds } = options;
  const problems = new Problems();
  const addresses = serversOf(options);
  // Without any, the client would take a server on this machine.
  if (addresses.length === 0) problems.add('servers', 'must name at least one server');
  for (const [index, address] of addresses.entries()) {
    if (!SERVER.test(address))
      problems.add(`servers[${index}]`, 'must be nats://host:port or tls://host:port');
  }
  if (name === '') problems.add('name', 'must not be empty');
  if (inboxPrefix !== undefined && !/^_INBOX[0-9A-Za-z_-]*$/.test(inboxPrefix)) {
    problems.add('inboxPrefix', 'must be _INBOX or _INBOX_<role>: services answer nowhere else');
  }
  if (connectMilliseconds !== undefined && !(connectMilliseconds > 0)) {
    problems.add('connectMilliseconds', 'must be more than 0');
  }
  return problems.total > 0 ? problems.toError() : undefined;
}

const inboxPrefixOf = ({ inboxPrefix = '_INBOX' }: NatsOptions): string => inboxPrefix;
