import { closeSync, openSync } from 'node:fs';
import { AppError, systemClock } from '@outboard/core';
import type { NetworkNamespace } from '@outboard/netlink';
import { OpenFlowClient } from './openflow/client.js';
import type { PortNames } from './openflow/fields.js';
import { forwardRequests } from './openflow/messages.js';
import { Database } from './ovsdb/database.js';
import { JsonRpcClient } from './ovsdb/json-rpc.js';
import { bridgeSocket, controlSocket, databaseSocket, ensureRunning } from './processes.js';
import { INTEGRATION_BRIDGE, UNDERLAY_BRIDGE } from './realise/ovs-objects.js';

const RECONNECT_MILLISECONDS = { first: 50, maximum: 5000 };
const OPENFLOW_VERSIONS = ['set', ['OpenFlow15']];

export interface SwitchOptions {
  /** Where its sockets are, and its files if it is started here. */
  readonly directory: string;
  /** Start it, and start it again when it dies; otherwise it is somebody else's. */
  readonly managed: boolean;
  readonly namespace: NetworkNamespace | undefined;
}

export interface SwitchListener {
  /** Ports of these names came, went or changed. */
  onPorts(names: ReadonlySet<string>): void;
  onMultipart(type: number, content: Buffer): void;
  onForwardedRequest(body: Buffer): void;
  /** There is another connection: nothing that was told before holds. */
  onConnected(): Promise<void>;
}

/** An Open vSwitch: its processes, and the connections to them and to its bridge, made again when they end. */
export class Switch implements AsyncDisposable {
  #database: Database | undefined;
  #client: OpenFlowClient | undefined;
  #control: JsonRpcClient | undefined;
  /** Sockets are reached through it: their paths may be longer than a socket's address. */
  #directory = -1;
  #connecting: Promise<void> | undefined;
  readonly #end = new AbortController();

  private constructor(
    private readonly options: SwitchOptions,
    private readonly listener: SwitchListener,
  ) {}

  /** Throws AppError FAILED_PRECONDITION or UNAVAILABLE when it cannot be started or reached. */
  static async open(options: SwitchOptions, listener: SwitchListener): Promise<Switch> {
    const vswitch = new Switch(options, listener);
    try {
      await vswitch.#connect();
      return vswitch;
    } catch (failure) {
      await vswitch[Symbol.asyncDispose]();
      throw failure;
    }
  }

  /** Throws AppError UNAVAILABLE while there is no connection. */
  get database(): Database {
    if (this.#database === undefined) throw new AppError('UNAVAILABLE', 'ovsdb-server is not connected');
    return this.#database;
  }

  /** Throws AppError UNAVAILABLE while there is no connection. */
  get client(): OpenFlowClient {
    if (this.#client === undefined) throw new AppError('UNAVAILABLE', 'the switch is not connected');
    return this.#client;
  }

  /** What ovs-appctl(8) speaks. Throws AppError UNAVAILABLE while there is no connection. */
  get control(): JsonRpcClient {
    if (this.#control === undefined) throw new AppError('UNAVAILABLE', 'ovs-vswitchd is not connected');
    return this.#control;
  }

  /** The numbers of the integration bridge's ports. */
  get names(): PortNames {
    return this.database.names(INTEGRATION_BRIDGE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.#disconnect();
    await this.#connecting;
    this.#disconnect();
    if (this.#directory >= 0) closeSync(this.#directory);
    this.#directory = -1;
  }

  async #connect(): Promise<void> {
    const { directory, managed, namespace } = this.options;
    if (managed) await ensureRunning(directory, namespace);
    if (this.#directory < 0) this.#directory = openSync(directory, 'r');
    const place = `/proc/self/fd/${this.#directory}`;
    this.#database ??= await Database.open(databaseSocket(place), {
      // Until there is a bridge to talk to, nobody has seen anything that could have changed.
      onPorts: (names) => {
        if (this.#client !== undefined) this.listener.onPorts(names);
      },
      onClosed: () => this.#lost(),
    });
    await this.#makeBridges(this.#database);
    const control = controlSocket(place);
    if (control === undefined)
      throw new AppError('UNAVAILABLE', `ovs-vswitchd has no socket in ${directory}`);
    this.#control = await JsonRpcClient.open('ovs-vswitchd', control, {
      onMessage: () => undefined,
      onClosed: () => this.#lost(),
    });
    this.#client = await OpenFlowClient.open(bridgeSocket(place, INTEGRATION_BRIDGE), {
      onMultipart: (type, content) => this.listener.onMultipart(type, content),
      onForwardedRequest: (body) => this.listener.onForwardedRequest(body),
      onClosed: () => this.#lost(),
    });
    await this.#client.send([forwardRequests()]);
    await this.listener.onConnected();
  }

  async #makeBridges(database: Database): Promise<void> {
    const ids = { 'outboard-bridge': 'true' };
    // Secure: a bridge without flows forwards nothing.
    const columns = { fail_mode: 'secure', protocols: OPENFLOW_VERSIONS };
    if (!database.hasBridge(INTEGRATION_BRIDGE)) await database.addBridge(INTEGRATION_BRIDGE, columns, ids);
    if (!database.hasBridge(UNDERLAY_BRIDGE)) await database.addBridge(UNDERLAY_BRIDGE, {}, ids);
  }

  #disconnect(): void {
    this.#client?.close();
    this.#control?.close();
    this.#database?.close();
    this.#client = undefined;
    this.#control = undefined;
    this.#database = undefined;
  }

  #lost(): void {
    this.#disconnect();
    if (this.#end.signal.aborted) return;
    this.#connecting ??= this.#connectAgain().finally(() => {
      this.#connecting = undefined;
    });
  }

  async #connectAgain(): Promise<void> {
    const { first, maximum } = RECONNECT_MILLISECONDS;
    for (let pause = first; !this.#end.signal.aborted; pause = Math.min(2 * pause, maximum)) {
      try {
        await this.#connect();
        return;
      } catch {
        this.#disconnect();
        await systemClock.delay(pause);
      }
    }
  }
}
