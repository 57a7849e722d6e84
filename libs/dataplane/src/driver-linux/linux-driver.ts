import type { DataplaneObject } from '@outboard/contracts';
import { type Clock, type Random, systemClock, systemRandom } from '@outboard/core';
import type { NetworkNamespace } from '@outboard/netlink';
import type {
  Capability,
  Change,
  DiscoveredFunction,
  Driver,
  DriverObject,
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
import { Handlers } from '../handlers.js';
import { Responders } from '../host-configuration/responders.js';
import { Addresses } from '../kernel/addresses.js';
import { resultOfThrown } from '../kernel/batch.js';
import { isNamed } from '../kernel/device-events.js';
import { functionsAmong, touchesFunctions } from '../kernel/functions.js';
import { globalAddress } from '../kernel/global-address.js';
import { Guards } from '../kernel/guards.js';
import type { Place } from '../kernel/place.js';
import { Representors } from '../kernel/representors.js';
import { touchesUplinks, uplinksAmong } from '../kernel/uplinks.js';
import { namespaceKey } from '../realise/linux-keys.js';
import {
  IN_PROCESS,
  LINUX_AT_ONCE,
  LINUX_ORDER,
  LINUX_PARTS,
  LINUX_READ_BACK_BEFORE,
  LINUX_SLOW_TO_REMOVE,
  LINUX_TOGETHER,
} from '../realise/linux-kinds.js';
import type { LinuxSpec } from '../realise/linux-objects.js';
import { netlinkView } from '../realise/netlink-view.js';
import { HARDWARE_OFFLOAD } from '../realise/offload.js';
import { realiseLinux } from '../realise/realise.js';
import { hardwareOffload, probeCapabilities, REQUIRED } from './capabilities.js';
import { Entries } from './entries.js';
import { changeOf, type Digest, digestEvents } from './events.js';
import { Filters, hopCounters } from './filters.js';
import { prepareGates } from './gates.js';
import { Links } from './links.js';
import { Namespaces } from './namespaces.js';
import { NftObjects } from './nft-objects.js';
import { Places } from './places.js';
import { readCounters } from './policy-counters.js';
import { Rates } from './rates.js';
import { Routes } from './routes.js';

export interface LinuxDriverOptions {
  /** Name of the DPU: takes part in the names of its routers' namespaces, so that it must stay the same. */
  readonly dpu: string;
  /** The device whose first global address is the source of tunnels; without it there is no underlay. */
  readonly underlayDevice?: string;
  /** The DPU's namespace; the process's own if absent. The driver closes the handle when it is disposed. */
  readonly namespace?: NetworkNamespace;
  /** For what is told to ports unasked; the system's if absent. */
  readonly clock?: Clock;
  readonly random?: Random;
}

/** Who has which objects, in the order in which all are observed. */
const HANDLERS = [
  { Handler: Namespaces, keys: ['namespace'], kinds: ['namespace'] },
  { Handler: Guards, keys: ['guard'], kinds: ['guard'] },
  {
    Handler: Links,
    keys: ['link'],
    kinds: ['bridge', 'tunnel', 'geneve', 'vlan', 'veth', 'port', 'exit', 'door'],
  },
  { Handler: Addresses, keys: ['address'], kinds: ['address'] },
  {
    Handler: Entries,
    keys: ['bridgeentry', 'tunnelentry', 'neighbour'],
    kinds: ['bridgeentry', 'tunnelentry', 'neighbour'],
  },
  {
    Handler: NftObjects,
    keys: ['sender', 'policyset', 'policyelement', 'policycounter', 'policychain'],
    kinds: ['sender', 'policyset', 'policymember', 'policycounter', 'rulechain', 'portchain', 'policyport'],
  },
  { Handler: Routes, keys: ['route'], kinds: ['route'] },
  { Handler: Rates, keys: ['rate'], kinds: ['rate'] },
  {
    Handler: Filters,
    keys: ['steering', 'gate'],
    kinds: ['hopexit', 'steering', 'closure', 'gate'],
  },
] as const;

/** The Linux kernel: rtnetlink, nftables and traffic control, in the DPU's namespace and those of its routers. */
export class LinuxDriver implements Driver<LinuxSpec> {
  readonly name = 'linux';
  readonly order = LINUX_ORDER;
  readonly readBackBefore = LINUX_READ_BACK_BEFORE;
  readonly together = LINUX_TOGETHER;
  readonly atOnce = LINUX_AT_ONCE;
  readonly parts = LINUX_PARTS;
  readonly slowToRemove = LINUX_SLOW_TO_REMOVE;
  readonly inProcess = IN_PROCESS;
  readonly view = netlinkView;
  readonly #watchers = new Set<(change: Change) => void>();
  readonly #handlers: Handlers<LinuxSpec>;
  readonly #responders: Responders;
  readonly #places: Places;
  /** Why nothing can be realised on this machine; undefined if it can. */
  readonly #lacking: string | undefined;
  /** What the machine lacks of what only some objects need. */
  readonly #lacks: Map<string, string>;
  #offload: Capability;
  #underlay: Underlay | undefined;
  #lookingAtUnderlay: Promise<void> | undefined;

  private constructor(
    private readonly options: LinuxDriverOptions,
    private readonly probed: readonly Capability[],
    places: Places,
  ) {
    this.#places = places;
    const lacking = probed.find(
      ({ name, available }) => !available && (REQUIRED as readonly string[]).includes(name),
    );
    if (lacking !== undefined) this.#lacking = `this machine has no ${lacking.name}: ${lacking.reason}`;
    this.#lacks = new Map(
      probed.flatMap(({ name, available, reason }) => (available ? [] : [[name, reason] as const])),
    );
    this.#offload = hardwareOffload(places.dpu.devices());
    if (!this.#offload.available) this.#lacks.set(HARDWARE_OFFLOAD, this.#offload.reason);
    const own = HANDLERS.map(({ Handler, ...what }) => ({ handler: new Handler(places), ...what }));
    // They are looked at with all other links.
    const representors = { handler: new Representors(places.dpu), keys: [], kinds: ['representor'] as const };
    const { clock = systemClock, random = systemRandom } = options;
    this.#responders = new Responders(places.dpu, clock, random);
    const responders = { handler: this.#responders, keys: ['responder'], kinds: ['responder'] as const };
    this.#handlers = new Handlers<LinuxSpec>([...own, responders, representors], resultOfThrown);
  }

  /** Probes the kernel and opens what it works with. Throws without the privileges for that (SystemError EPERM). */
  static async open(options: LinuxDriverOptions): Promise<LinuxDriver> {
    const probed = await probeCapabilities();
    // What is heard before the driver is made only brings the places up to date.
    let heard = (_place: Place, _digest: Digest): void => undefined;
    let overrun = (_place: Place): void => undefined;
    let named = (_name: string): void => undefined;
    const places = await Places.open(options.dpu, options.namespace, {
      onEvents: (place, events) => heard(place, digestEvents(place, events)),
      onOverrun: (place) => overrun(place),
      onNamespace: (name) => named(name),
    });
    const driver = new LinuxDriver(options, probed, places);
    heard = (place, digest) => driver.#onDigest(place, digest);
    overrun = (place) => void driver.#onOverrun(place);
    named = (name) => driver.#onNamespace(name);
    driver.#underlay = await driver.#findUnderlay();
    return driver;
  }

  get sections(): Sections {
    return this.#handlers.sections;
  }

  capabilities(): readonly Capability[] {
    return [...this.probed, this.#offload];
  }

  underlay(): Underlay | undefined {
    return this.#underlay;
  }

  uplinks(): readonly Uplink[] {
    const { dpu } = this.#places;
    return uplinksAmong(dpu.devices(), dpu.namespace);
  }

  async functions(): Promise<readonly DiscoveredFunction[]> {
    this.#places.dpu.drain();
    return functionsAmong(this.#places.dpu.devices());
  }

  realise(key: string, object: DataplaneObject, resolve: Resolve, isUp: HopIsUp): Realisation<LinuxSpec> {
    if (this.#lacking !== undefined) return { kind: 'unsupported', why: this.#lacking, references: [] };
    return realiseLinux(key, object, resolve, {
      dpu: this.options.dpu,
      underlay: this.#underlay,
      lacks: this.#lacks,
      isUp,
    });
  }

  async observe(scope: Scope<LinuxSpec>): Promise<readonly ObservedObject<LinuxSpec>[]> {
    this.#places.drain();
    return this.#handlers.observe(scope);
  }

  async apply(operations: readonly Operation<LinuxSpec>[]): Promise<readonly OperationResult[]> {
    this.#places.drain();
    return this.#handlers.apply(operations);
  }

  prepare(objects: readonly DriverObject<LinuxSpec>[]): void {
    prepareGates(this.#places.dpu, objects);
  }

  /** What the rules of all policies here, and the isolation of ports, have decided on since they came, and what chains were given. */
  async ruleCounters(): Promise<readonly RuleCounter[]> {
    return [...(await readCounters(this.#places)), ...(await hopCounters(this.#places))];
  }

  watch(onChange: (change: Change) => void): Disposable {
    this.#watchers.add(onChange);
    return { [Symbol.dispose]: () => this.#watchers.delete(onChange) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watchers.clear();
    this.#responders.close();
    this.#places.close();
    await this.#lookingAtUnderlay;
  }

  #tell(change: Change): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  #onDigest(place: Place, digest: Digest): void {
    if (digest.changed.size + digest.lost.size > 0) this.#tell(changeOf(digest));
    if (place.name !== '') return;
    if (digest.devices.some(({ before, after }) => touchesFunctions(before, after))) {
      this.#lookAtOffload();
      this.#tell({ kind: 'functions' });
    }
    if (digest.devices.some(({ before, after }) => touchesUplinks(before, after)))
      this.#tell({ kind: 'functions' });
    const { underlayDevice } = this.options;
    const ofUnderlay = digest.devices.some((device) => isNamed(device, underlayDevice));
    if (digest.addresses || ofUnderlay) this.#lookAtUnderlay();
  }

  async #onOverrun(place: Place): Promise<void> {
    if (place.closed) return;
    try {
      await place.lookAtDevices();
    } catch {
      // It is being closed, or looked at again with the next event.
    }
    this.#lookAtOffload();
    this.#tell({ kind: 'everything' });
    this.#tell({ kind: 'functions' });
  }

  #onNamespace(name: string): void {
    const key = namespaceKey(name);
    const lost = this.#places.router(name) !== undefined && !this.#places.isNamed(name);
    this.#tell({ kind: 'objects', changed: lost ? [] : [key], lost: lost ? [key] : [] });
  }

  /** Representors of a switch may come and go: what has to be in hardware is realised again then. */
  #lookAtOffload(): void {
    const before = this.#offload;
    this.#offload = hardwareOffload(this.#places.dpu.devices());
    if (this.#offload.available === before.available) return;
    if (this.#offload.available) this.#lacks.delete(HARDWARE_OFFLOAD);
    else this.#lacks.set(HARDWARE_OFFLOAD, this.#offload.reason);
    this.#tell({ kind: 'underlay' });
  }

  #lookAtUnderlay(): void {
    // One look at a time; what happens during one asks for another.
    this.#lookingAtUnderlay = (this.#lookingAtUnderlay ?? Promise.resolve()).then(async () => {
      if (this.#places.dpu.closed) return;
      try {
        const underlay = await this.#findUnderlay();
        if (JSON.stringify(underlay) === JSON.stringify(this.#underlay)) return;
        this.#underlay = underlay;
        this.#tell({ kind: 'underlay' });
      } catch {
        // The next event of the device or its addresses asks again.
      }
    });
  }

  async #findUnderlay(): Promise<Underlay | undefined> {
    const { underlayDevice } = this.options;
    const { dpu } = this.#places;
    const device = underlayDevice === undefined ? undefined : dpu.device(underlayDevice);
    if (device === undefined) return undefined;
    const addresses = await globalAddress(dpu, device);
    return addresses && { device: device.name, ...addresses, mtu: device.mtu };
  }
}
