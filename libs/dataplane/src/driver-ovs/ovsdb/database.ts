import { AppError } from '@outboard/core';
import type { PortNames } from '../openflow/fields.js';
import {
  type DatabaseOperation,
  elementsOf,
  entriesOf,
  mapOf,
  named,
  OvsdbClient,
  type Row,
  setOf,
  type TableUpdates,
  uuid,
  uuidsOf,
} from './client.js';

const COLUMNS = {
  Open_vSwitch: ['bridges', 'cur_cfg', 'ovs_version', 'iface_types', 'datapath_types'],
  Bridge: ['name', 'ports'],
  Port: ['name', 'interfaces', 'external_ids'],
  Interface: ['name', 'type', 'options', 'ofport'],
} as const;
const APPLIED_MILLISECONDS = 10_000;
const MAX_PORT_NUMBER = 0xfe00;

/** A port of a bridge, as the database and the switch have it. */
export interface PortRow {
  readonly id: string;
  readonly interfaceId: string;
  readonly name: string;
  readonly bridge: string;
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly externalIds: Readonly<Record<string, string>>;
  /** Its number in the switch; undefined while it is not open. */
  readonly number: number | undefined;
}

export interface NewPort {
  readonly name: string;
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  readonly externalIds: Readonly<Record<string, string>>;
}

export interface DatabaseListener {
  /** Ports of these names came, went or changed. */
  onPorts(names: ReadonlySet<string>): void;
  onClosed(): void;
}

/** The configuration of an Open vSwitch, kept up to date by the server, and changes of it that have come into force. */
export class Database {
  readonly #rows = new Map<string, Map<string, Row>>(Object.keys(COLUMNS).map((name) => [name, new Map()]));
  readonly #waiting = new Set<() => void>();
  #ports: Map<string, PortRow> | undefined;

  private constructor(
    private readonly client: OvsdbClient,
    private readonly listener: DatabaseListener,
  ) {}

  /** Throws AppError UNAVAILABLE. */
  static async open(path: string, listener: DatabaseListener): Promise<Database> {
    let heard: (updates: TableUpdates) => void = () => undefined;
    let closed: () => void = () => undefined;
    const client = await OvsdbClient.open(path, {
      onUpdate: (updates) => heard(updates),
      onClosed: () => closed(),
    });
    const database = new Database(client, listener);
    heard = (updates) => database.#heard(updates);
    closed = () => {
      for (const check of database.#waiting) check();
      listener.onClosed();
    };
    await client.monitor(COLUMNS);
    // A new database has no row that says what is to be: whoever comes first makes it.
    if (database.#table('Open_vSwitch').size === 0) {
      const none = {
        op: 'wait',
        table: 'Open_vSwitch',
        where: [],
        columns: ['cur_cfg'],
        until: '==',
        rows: [],
      };
      await client.transact([
        { ...none, timeout: 0 },
        { op: 'insert', table: 'Open_vSwitch', row: {} },
      ]);
    }
    return database;
  }

  get closed(): boolean {
    return this.client.closed;
  }

  get version(): string {
    const [root] = this.#table('Open_vSwitch').values();
    return String(elementsOf(root?.ovs_version)[0] ?? '');
  }

  /** The types of interfaces and of datapaths that this build of the switch has. */
  get types(): ReadonlySet<string> {
    const [root] = this.#table('Open_vSwitch').values();
    return new Set([...elementsOf(root?.iface_types), ...elementsOf(root?.datapath_types)].map(String));
  }

  /** All ports of all bridges, by name; the database allows each name once. */
  ports(): ReadonlyMap<string, PortRow> {
    this.#ports ??= this.#readPorts();
    return this.#ports;
  }

  hasBridge(name: string): boolean {
    return this.#bridge(name) !== undefined;
  }

  /** The numbers of a bridge's ports. */
  names(bridge: string): PortNames {
    return {
      numberOf: (name) => {
        const port = this.ports().get(name);
        return port?.bridge === bridge ? port.number : undefined;
      },
      nameOf: (number) => {
        for (const port of this.ports().values())
          if (port.bridge === bridge && port.number === number) return port.name;
        return undefined;
      },
    };
  }

  /** Makes a bridge of the userspace datapath, with its own port. */
  async addBridge(name: string, columns: Row, externalIds: Readonly<Record<string, string>>): Promise<void> {
    const root = this.#root;
    await this.#change([
      {
        op: 'insert',
        table: 'Interface',
        row: { name, type: 'internal' },
        'uuid-name': 'own_interface',
      },
      {
        op: 'insert',
        table: 'Port',
        row: { name, interfaces: named('own_interface') },
        'uuid-name': 'own_port',
      },
      {
        op: 'insert',
        table: 'Bridge',
        row: {
          name,
          datapath_type: 'netdev',
          ports: named('own_port'),
          external_ids: mapOf(externalIds),
          ...columns,
        },
        'uuid-name': 'own_bridge',
      },
      {
        op: 'mutate',
        table: 'Open_vSwitch',
        where: [['_uuid', '==', uuid(root)]],
        mutations: [['bridges', 'insert', setOf([named('own_bridge')])]],
      },
    ]);
  }

  /** Makes ports, or makes those of that name so. All or none. */
  async putPorts(bridge: string, ports: readonly NewPort[]): Promise<void> {
    const taken = new Set([...this.ports().values()].flatMap(({ number }) => number ?? []));
    await this.#change(
      ports.flatMap((port, index) => {
        const existing = this.ports().get(port.name);
        return existing === undefined ? this.#insertion(bridge, port, index, taken) : updates(existing, port);
      }),
    );
  }

  async removePorts(bridge: string, names: readonly string[]): Promise<void> {
    const ids = names
      .flatMap((name) => this.ports().get(name) ?? [])
      .filter((port) => port.bridge === bridge);
    if (ids.length === 0) return;
    await this.#change([
      {
        op: 'mutate',
        table: 'Bridge',
        where: [['name', '==', bridge]],
        mutations: [['ports', 'delete', setOf(ids.map(({ id }) => uuid(id)))]],
      },
    ]);
  }

  close(): void {
    this.client.close();
  }

  /** A port has the number that follows from its name where that is free, so that it is the same after a restart. */
  #insertion(bridge: string, port: NewPort, index: number, taken: Set<number>): DatabaseOperation[] {
    let number = numberFor(port.name);
    while (taken.has(number)) number = (number % MAX_PORT_NUMBER) + 1;
    taken.add(number);
    const { name, type, options, externalIds } = port;
    const [ownInterface, ownPort] = [`interface_${index}`, `port_${index}`];
    return [
      {
        op: 'insert',
        table: 'Interface',
        row: { name, type, options: mapOf(options), ofport_request: number },
        'uuid-name': ownInterface,
      },
      {
        op: 'insert',
        table: 'Port',
        row: { name, interfaces: named(ownInterface), external_ids: mapOf(externalIds) },
        'uuid-name': ownPort,
      },
      {
        op: 'mutate',
        table: 'Bridge',
        where: [['name', '==', bridge]],
        mutations: [['ports', 'insert', setOf([named(ownPort)])]],
      },
    ];
  }

  /** Changes the database and waits until the switch has taken that over. */
  async #change(operations: readonly DatabaseOperation[]): Promise<void> {
    const where = [['_uuid', '==', uuid(this.#root)]];
    const results = await this.client.transact([
      ...operations,
      { op: 'mutate', table: 'Open_vSwitch', where, mutations: [['next_cfg', '+=', 1]] },
      { op: 'select', table: 'Open_vSwitch', where, columns: ['next_cfg'] },
    ]);
    const rows = results[results.length - 1]?.rows as readonly Row[] | undefined;
    await this.#applied(Number(rows?.[0]?.next_cfg));
  }

  #applied(configuration: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (failure?: AppError): void => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        if (failure === undefined) resolve();
        else reject(failure);
      };
      const check = (): void => {
        const [root] = this.#table('Open_vSwitch').values();
        if (Number(root?.cur_cfg) >= configuration) finish();
        else if (this.closed) finish(new AppError('UNAVAILABLE', 'the connection to ovsdb-server ended'));
      };
      const late = new AppError('DEADLINE_EXCEEDED', 'the switch does not take over its configuration');
      const timer = setTimeout(() => finish(late), APPLIED_MILLISECONDS);
      this.#waiting.add(check);
      check();
    });
  }

  #heard(updates: TableUpdates): void {
    const names = new Set<string>();
    for (const [table, rows] of Object.entries(updates)) {
      const own = this.#table(table);
      for (const [id, { new: next }] of Object.entries(rows)) {
        const before = own.get(id);
        if (next === undefined) own.delete(id);
        else own.set(id, next);
        if (table === 'Port' || table === 'Interface')
          for (const row of [before, next]) if (row !== undefined) names.add(String(row.name));
        // A port that left its bridge.
        if (table === 'Bridge')
          for (const each of [...uuidsOf(before?.ports), ...uuidsOf(next?.ports)]) {
            const port = this.#table('Port').get(each);
            if (port !== undefined) names.add(String(port.name));
          }
      }
    }
    this.#ports = undefined;
    if (names.size > 0) this.listener.onPorts(names);
    for (const check of this.#waiting) check();
  }

  #readPorts(): Map<string, PortRow> {
    const ports = new Map<string, PortRow>();
    for (const { name: bridge, ports: members } of this.#table('Bridge').values()) {
      for (const id of uuidsOf(members)) {
        const port = this.#table('Port').get(id);
        const [interfaceId = ''] = uuidsOf(port?.interfaces);
        const own = this.#table('Interface').get(interfaceId);
        if (port === undefined || own === undefined) continue;
        const number = Number(elementsOf(own.ofport)[0] ?? -1);
        ports.set(String(port.name), {
          id,
          interfaceId,
          name: String(port.name),
          bridge: String(bridge),
          type: String(own.type),
          options: entriesOf(own.options),
          externalIds: entriesOf(port.external_ids),
          number: number > 0 ? number : undefined,
        });
      }
    }
    return ports;
  }

  #bridge(name: string): Row | undefined {
    for (const row of this.#table('Bridge').values()) if (row.name === name) return row;
    return undefined;
  }

  get #root(): string {
    const [root] = this.#table('Open_vSwitch').keys();
    if (root === undefined)
      throw new AppError('UNAVAILABLE', 'the database is empty: the switch has not run');
    return root;
  }

  #table(name: string): Map<string, Row> {
    const table = this.#rows.get(name) ?? new Map<string, Row>();
    this.#rows.set(name, table);
    return table;
  }
}

function updates(existing: PortRow, { type, options, externalIds }: NewPort): DatabaseOperation[] {
  return [
    {
      op: 'update',
      table: 'Interface',
      where: [['_uuid', '==', uuid(existing.interfaceId)]],
      row: { type, options: mapOf(options) },
    },
    {
      op: 'update',
      table: 'Port',
      where: [['_uuid', '==', uuid(existing.id)]],
      row: { external_ids: mapOf(externalIds) },
    },
  ];
}

/** FNV-1a, folded into the range of port numbers. */
function numberFor(name: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(name)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return (value % MAX_PORT_NUMBER) + 1;
}
