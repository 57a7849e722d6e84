import type { DataplaneObject } from '@outboard/contracts';
import type { NetlinkEvent, NetworkNamespace } from '@outboard/netlink';
import { carryOutRuns } from '../carry-out-runs.js';
import type {
  Capability,
  Change,
  DiscoveredFunction,
  Driver,
  ObservedObject,
  Operation,
  OperationResult,
  Realisation,
  Resolve,
  Scope,
  Underlay,
} from '../driver.js';
import { digestEvents } from '../driver-linux/events.js';
import { functionsAmong, touchesFunctions } from '../driver-linux/functions.js';
import { groupBy } from '../driver-linux/group-by.js';
import { Links } from '../driver-linux/links.js';
import { Place } from '../driver-linux/place.js';
import { linkKey } from '../realise/linux-objects.js';
import { Flows, Pipeline } from './flows.js';
import { Groups } from './groups.js';
import { type Handler, resultOfThrown } from './handler.js';
import { groupOfRequest, MULTIPART } from './openflow/messages.js';
import type { Database } from './ovsdb/database.js';
import { Ports } from './ports.js';
import {
  groupKey,
  OVS_ORDER,
  OVS_SLOW_TO_REMOVE,
  type OvsSpec,
  portKey,
  UNDERLAY_BRIDGE,
} from './realise/ovs-objects.js';
import { NO_POLICIES, realiseOvs } from './realise/realise-ovs.js';
import { Representors } from './representors.js';
import { Switch, type SwitchOptions } from './switch.js';
import { bridgeUnderlay, findUnderlay } from './underlay.js';

export interface OvsDriverOptions extends Pick<SwitchOptions, 'directory' | 'managed'> {
  /** The device that tunnels leave by; it becomes a port of a bridge that takes over its addresses. */
  readonly underlayDevice?: string;
  /** The DPU's namespace; the process's own if absent. The driver closes the handle when it is disposed. */
  readonly namespace?: NetworkNamespace;
}

/** Open vSwitch with the userspace datapath: ports by its database, flows and groups by OpenFlow 1.5. */
export class OvsDriver implements Driver<OvsSpec> {
  readonly name = 'ovs';
  readonly order = OVS_ORDER;
  readonly slowToRemove = OVS_SLOW_TO_REMOVE;
  readonly #watchers = new Set<(change: Change) => void>();
  readonly #byKind: ReadonlyMap<string, Handler>;
  readonly #flows: Flows;
  readonly #capabilities: readonly Capability[];
  readonly #lacks: ReadonlyMap<string, string>;
  #underlay: Underlay | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(
    private readonly options: OvsDriverOptions,
    private readonly place: Place,
    private readonly vswitch: Switch,
  ) {
    this.#flows = new Flows(vswitch);
    this.#capabilities = capabilitiesOf(vswitch.database);
    this.#lacks = new Map(
      this.#capabilities.flatMap(({ name, available, reason }) => (available ? [] : [[name, reason]])),
    );
    this.#byKind = handlersOf(vswitch, this.#flows, place);
  }

  /**
   * Starts the switch if it does not run, and connects. Throws AppError FAILED_PRECONDITION or UNAVAILABLE with what
   * the switch said.
   */
  static async open(options: OvsDriverOptions): Promise<OvsDriver> {
    const { namespace, directory, managed } = options;
    // What is heard before the driver is made, it looks at itself.
    let driver: OvsDriver | undefined;
    const place = await Place.open({
      name: '',
      namespace,
      onEvents: (_, events) => {
        if (driver === undefined) digestEvents(place, events);
        else driver.#onEvents(events);
      },
      onOverrun: () => {
        if (driver !== undefined) driver.#tell({ kind: 'everything' });
      },
    });
    try {
      const vswitch = await Switch.open(
        { directory, managed, namespace },
        {
          onPorts: (names) => {
            if (driver !== undefined) driver.#onPorts(names);
          },
          onMultipart: (type, content) => {
            if (driver !== undefined && type === MULTIPART.FLOW_MONITOR) driver.#onFlows(content);
          },
          onForwardedRequest: (body) => {
            if (driver !== undefined) driver.#onGroup(groupOfRequest(body));
          },
          onConnected: async () => {
            if (driver !== undefined) await driver.#onConnected();
          },
        },
      );
      driver = new OvsDriver(options, place, vswitch);
      await driver.#onConnected();
      await driver.#looking;
      return driver;
    } catch (failure) {
      if (driver !== undefined) await driver[Symbol.asyncDispose]();
      place.close();
      throw failure;
    }
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  underlay(): Underlay | undefined {
    return this.#underlay;
  }

  async functions(): Promise<readonly DiscoveredFunction[]> {
    this.place.drain();
    return functionsAmong(this.place.devices());
  }

  realise(_key: string, object: DataplaneObject, resolve: Resolve): Realisation<OvsSpec> {
    return realiseOvs(object, resolve, { underlay: this.#underlay, lacks: this.#lacks });
  }

  async observe(scope: Scope): Promise<readonly ObservedObject<OvsSpec>[]> {
    this.place.drain();
    const found: ObservedObject<OvsSpec>[] = [];
    if (scope.kind === 'all') {
      for (const handler of new Set(this.#byKind.values()))
        for (const object of await handler.observe('all')) found.push(object);
      return found;
    }
    const byHandler = groupBy(scope.keys, (key) =>
      this.#byKind.get(KINDS[key.slice(0, key.indexOf('/'))] ?? ''),
    );
    for (const [handler, keys] of byHandler)
      for (const object of await handler.observe(keys)) found.push(object);
    return found;
  }

  async apply(operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> {
    this.place.drain();
    return carryOutRuns(operations, (operation) => this.#handlerOf(operation), resultOfThrown);
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }

  /** Ends the connections; the switch goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    await this.vswitch[Symbol.asyncDispose]();
    await this.#looking;
    this.place.close();
  }

  #handlerOf(operation: Operation<OvsSpec> | undefined): Handler {
    const spec = operation?.action === 'delete' ? operation.observed : operation?.object.spec;
    const handler = this.#byKind.get(spec?.kind ?? '');
    if (handler === undefined) throw new Error(`nobody carries out operations on a ${spec?.kind}`);
    return handler;
  }

  #tell(change: Change): void {
    if (change.kind === 'objects' && change.changed.length + change.lost.length === 0) return;
    for (const watcher of this.#watchers) watcher(change);
  }

  /** Another connection: the switch may have lost everything that is not in its database. */
  async #onConnected(): Promise<void> {
    this.#flows.reset();
    await this.#flows.fill();
    this.#tell({ kind: 'everything' });
    this.#lookAtUnderlay();
  }

  #onFlows(content: Buffer): void {
    const changed = this.#flows.heard(content);
    this.#tell(changed === undefined ? { kind: 'everything' } : { kind: 'objects', changed, lost: [] });
  }

  /** Flows of a port have its number: what stands upon it is looked at, too. */
  #onPorts(names: ReadonlySet<string>): void {
    const changed = this.#flows.ofUnknownPorts();
    this.#tell({ kind: 'objects', changed, lost: [...names].map(portKey) });
  }

  /** What another connection did with a group may have taken its buckets along, and flows that refer to it. */
  #onGroup(id: number | undefined): void {
    if (id === undefined) this.#tell({ kind: 'everything' });
    else this.#tell({ kind: 'objects', changed: [], lost: [groupKey(id)] });
  }

  #onEvents(events: readonly NetlinkEvent[]): void {
    const { changed, lost, devices, addresses } = digestEvents(this.place, events);
    const isLink = (key: string): boolean => key.startsWith(linkKey(''));
    this.#tell({ kind: 'objects', changed: [...changed].filter(isLink), lost: [...lost].filter(isLink) });
    if (devices.some(({ before, after }) => touchesFunctions(before, after)))
      this.#tell({ kind: 'functions' });
    const own = [this.options.underlayDevice, UNDERLAY_BRIDGE];
    if (addresses || devices.some(({ before, after }) => own.includes(before?.name ?? after?.name)))
      this.#lookAtUnderlay();
  }

  #lookAtUnderlay(): void {
    this.#looking = this.#looking.then(async () => {
      if (this.#closed) return;
      try {
        const underlay = await this.#findUnderlay();
        if (JSON.stringify(underlay) === JSON.stringify(this.#underlay)) return;
        this.#underlay = underlay;
        this.#tell({ kind: 'underlay' });
      } catch {
        // The next event of the device or its addresses, or the next connection, asks again.
      }
    });
  }

  async #findUnderlay(): Promise<Underlay | undefined> {
    const { underlayDevice } = this.options;
    if (underlayDevice === undefined) return undefined;
    if (!(await bridgeUnderlay(this.vswitch, this.place, underlayDevice))) return undefined;
    return findUnderlay(this.place, underlayDevice);
  }
}

/** What each capability needs of the switch. */
const NEEDED = {
  vxlan: 'vxlan',
  geneve: 'geneve',
  vlan: 'patch',
  flat: 'system',
  userspace: 'netdev',
} as const;

function capabilitiesOf({ version, types }: Database): Capability[] {
  const lacking = `Open vSwitch ${version} was built without`;
  return [
    ...Object.entries(NEEDED).map(([name, type]) => ({
      name,
      available: types.has(type),
      reason: types.has(type) ? '' : `${lacking} ${type}`,
    })),
    { name: 'policies', available: false, reason: NO_POLICIES },
    { name: 'offload', available: false, reason: 'the userspace datapath forwards in software' },
  ];
}

/** The kind by which a key's handler is found, by the key's first part. */
const KINDS: Readonly<Record<string, OvsSpec['kind']>> = {
  pipeline: 'pipeline',
  port: 'port',
  group: 'group',
  bucket: 'bucket',
  flow: 'flow',
  link: 'representor',
};

/** In the order in which all are observed. */
function handlersOf(vswitch: Switch, flows: Flows, place: Place): ReadonlyMap<string, Handler> {
  const groups = new Groups(vswitch);
  return new Map<OvsSpec['kind'], Handler>([
    ['port', new Ports(vswitch, place.namespace)],
    ['group', groups],
    ['bucket', groups],
    ['flow', flows],
    ['gate', flows],
    ['pipeline', new Pipeline(vswitch, flows)],
    ['representor', new Representors(new Links(onlyPlace(place)), place)],
  ]);
}

const onlyPlace = (place: Place) => ({
  dpu: place,
  router: () => undefined,
  routers: () => [][Symbol.iterator](),
  withDevice: () => place,
});
