import type { DataplaneObject } from '@outboard/contracts';
import { type Clock, type Random, systemClock, systemRandom } from '@outboard/core';
import type { NetlinkEvent, NetworkNamespace } from '@outboard/netlink';
import type {
  Capability,
  Change,
  DiscoveredFunction,
  Driver,
  HopIsUp,
  ObservedObject,
  Operation,
  OperationResult,
  Realisation,
  Resolve,
  RuleCounter,
  Scope,
  Sections,
  Underlay,
  Uplink,
} from '../driver.js';
import { Handlers, type Responsibility } from '../handlers.js';
import { Responders } from '../host-configuration/responders.js';
import { Addresses } from '../kernel/addresses.js';
import { isNamed } from '../kernel/device-events.js';
import { functionsAmong, touchesFunctions } from '../kernel/functions.js';
import { Guards } from '../kernel/guards.js';
import { onlyPlace, Place } from '../kernel/place.js';
import { touchesUplinks, uplinksAmong } from '../kernel/uplinks.js';
import { IN_PROCESS } from '../realise/linux-kinds.js';
import { askCapabilities } from './capabilities.js';
import { digestEvents } from './events.js';
import { Exits } from './exits.js';
import { Flows, Pipeline } from './flows.js';
import { Groups } from './groups.js';
import { resultOfThrown } from './handler.js';
import { Meters } from './meters.js';
import { groupOfRequest, MULTIPART } from './openflow/messages.js';
import { Ports } from './ports.js';
import {
  FLOW_KINDS,
  groupKey,
  OVS_AT_ONCE,
  OVS_ORDER,
  OVS_PARTS,
  OVS_READ_BACK_BEFORE,
  OVS_SLOW_TO_REMOVE,
  OVS_TOGETHER,
  type OvsSpec,
  portKey,
  UNDERLAY_BRIDGE,
} from './realise/ovs-objects.js';
import { realiseOvs } from './realise/realise-ovs.js';
import { switchView } from './realise/switch-view.js';
import { DeafRepresentors } from './representors.js';
import { Switch, type SwitchOptions } from './switch.js';
import { bridgeUnderlay, findUnderlay } from './underlay.js';

export interface OvsDriverOptions extends Pick<SwitchOptions, 'directory' | 'managed'> {
  /** The device that tunnels leave by; it becomes a port of a bridge that takes over its addresses. */
  readonly underlayDevice?: string;
  /** The DPU's namespace; the process's own if absent. The driver closes the handle when it is disposed. */
  readonly namespace?: NetworkNamespace;
  /** For what is told to ports unasked; the system's if absent. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Open vSwitch with the userspace datapath: ports by its database, flows and groups by OpenFlow 1.5. */
export class OvsDriver implements Driver<OvsSpec> {
  readonly name = 'ovs';
  readonly order = OVS_ORDER;
  readonly readBackBefore = OVS_READ_BACK_BEFORE;
  readonly together = OVS_TOGETHER;
  readonly atOnce = OVS_AT_ONCE;
  readonly parts = OVS_PARTS;
  readonly slowToRemove = OVS_SLOW_TO_REMOVE;
  readonly view = switchView;
  readonly inProcess = IN_PROCESS;
  readonly #watchers = new Set<(change: Change) => void>();
  readonly #handlers: Handlers<OvsSpec>;
  readonly #responders: Responders;
  readonly #flows: Flows;
  readonly #lacks: ReadonlyMap<string, string>;
  #underlay: Underlay | undefined;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(
    private readonly options: OvsDriverOptions,
    private readonly place: Place,
    private readonly vswitch: Switch,
    private readonly asked: readonly Capability[],
  ) {
    this.#flows = new Flows(vswitch);
    this.#lacks = new Map(
      asked.flatMap(({ name, available, reason }) => (available ? [] : [[name, reason]])),
    );
    const { clock = systemClock, random = systemRandom } = options;
    this.#responders = new Responders(place, clock, random);
    this.#handlers = handlersOf(vswitch, this.#flows, this.#responders, place);
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
      driver = new OvsDriver(options, place, vswitch, await askCapabilities(vswitch));
      await driver.#onConnected();
      await driver.#looking;
      return driver;
    } catch (failure) {
      if (driver !== undefined) await driver[Symbol.asyncDispose]();
      place.close();
      throw failure;
    }
  }

  get sections(): Sections {
    return this.#handlers.sections;
  }

  capabilities(): readonly Capability[] {
    return this.asked;
  }

  underlay(): Underlay | undefined {
    return this.#underlay;
  }

  uplinks(): readonly Uplink[] {
    return uplinksAmong(this.place.devices(), this.place.namespace);
  }

  async functions(): Promise<readonly DiscoveredFunction[]> {
    this.place.drain();
    return functionsAmong(this.place.devices());
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<OvsSpec> {
    return realiseOvs(key, object, resolve, { underlay: this.#underlay, lacks: this.#lacks, isUp });
  }

  async observe(scope: Scope<OvsSpec>): Promise<readonly ObservedObject<OvsSpec>[]> {
    this.place.drain();
    return this.#handlers.observe(scope);
  }

  async apply(operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> {
    this.place.drain();
    return this.#handlers.apply(operations);
  }

  ruleCounters(): Promise<readonly RuleCounter[]> {
    return this.#flows.counters();
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }

  /** Ends the connections; the switch goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watchers.clear();
    this.#responders.close();
    await this.vswitch[Symbol.asyncDispose]();
    await this.#looking;
    this.place.close();
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
    this.#tell({ kind: 'objects', changed, lost });
    if (devices.some(({ before, after }) => touchesFunctions(before, after) || touchesUplinks(before, after)))
      this.#tell({ kind: 'functions' });
    if (addresses || devices.some((device) => isNamed(device, this.options.underlayDevice, UNDERLAY_BRIDGE)))
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

/** In the order in which all are observed. */
function handlersOf(vswitch: Switch, flows: Flows, responders: Responders, place: Place): Handlers<OvsSpec> {
  const places = onlyPlace(place);
  const all: readonly Responsibility<OvsSpec>[] = [
    { handler: new Guards(places), keys: ['guard'], kinds: ['guard'] },
    { handler: new Ports(vswitch, place.namespace), keys: ['port'], kinds: ['port'] },
    { handler: new Exits(place), keys: ['exit'], kinds: ['exit'] },
    { handler: new Addresses(places), keys: ['address'], kinds: ['address'] },
    { handler: new Meters(vswitch), keys: ['meter'], kinds: ['meter'] },
    { handler: new Groups(vswitch), keys: ['group', 'bucket'], kinds: ['group', 'bucket'] },
    { handler: flows, keys: ['flow'], kinds: FLOW_KINDS },
    { handler: new Pipeline(vswitch, flows), keys: ['pipeline'], kinds: ['pipeline'] },
    { handler: responders, keys: ['responder'], kinds: ['responder'] },
    { handler: new DeafRepresentors(place), keys: ['link'], kinds: ['representor'] },
  ];
  return new Handlers(all, resultOfThrown);
}
