import {
  link,
  linkByName,
  type NetlinkEvent,
  NetlinkMonitor,
  NetlinkSocket,
  type NetworkNamespace,
  RTEXT_FILTER,
} from '@outboard/netlink';
import { DEVICE_LINK, type Device, deviceOf } from './device.js';

export type PlaceEventListener = (place: Place, events: readonly NetlinkEvent[]) => void;

export interface PlaceOptions {
  /** Name of the namespace; empty: the DPU's own. */
  readonly name: string;
  readonly namespace: NetworkNamespace | undefined;
  readonly onEvents: PlaceEventListener;
  readonly onOverrun: (place: Place) => void;
}

/** The namespaces that a driver works in. */
export interface PlaceSet {
  /** The place with that name; empty: the DPU's. */
  at(name: string): Place | undefined;
  all(): readonly Place[];
  /** Where a device of that name stands, or would. */
  withDevice(name: string): Place | undefined;
}

/** Nothing but the DPU's own. */
export const onlyPlace = (place: Place): PlaceSet => ({
  at: (name) => (name === place.name ? place : undefined),
  all: () => [place],
  withDevice: () => place,
});

/** One namespace: its sockets, what it tells, and its devices as last heard or seen. */
export class Place {
  readonly name: string;
  readonly namespace: NetworkNamespace | undefined;
  readonly route: NetlinkSocket;
  readonly #monitors: NetlinkMonitor[];
  readonly #devices = new Map<string, Device>();
  readonly #names = new Map<number, string>();
  /** For each look at all devices that is under way: the indexes of those of which something was learned since. */
  readonly #looks = new Set<Set<number>>();
  #netfilter: NetlinkSocket | undefined;
  #closed = false;

  private constructor(options: PlaceOptions) {
    const { name, namespace, onEvents, onOverrun } = options;
    this.name = name;
    this.namespace = namespace;
    const where = namespace === undefined ? {} : { namespace };
    const callbacks = {
      onEvents: (events: readonly NetlinkEvent[]) => onEvents(this, events),
      onOverrun: () => onOverrun(this),
    };
    this.route = NetlinkSocket.open(where);
    this.#monitors = [
      NetlinkMonitor.open({
        ...where,
        ...callbacks,
        exceptRoutesOf: this.route,
        links: DEVICE_LINK,
        groups:
          name === ''
            ? ['link', 'tc', 'ipv4Ifaddr', 'ipv6Ifaddr']
            : ['link', 'neigh', 'ipv4Ifaddr', 'ipv6Ifaddr', 'ipv4Route', 'ipv6Route'],
      }),
    ];
    this.#monitors.push(
      NetlinkMonitor.open({ ...where, ...callbacks, protocol: 'netfilter', groups: ['nftables'] }),
    );
  }

  /** Listens first, then looks, so that nothing falls between. */
  static async open(options: PlaceOptions): Promise<Place> {
    const place = new Place(options);
    await place.lookAtDevices();
    return place;
  }

  get netfilter(): NetlinkSocket {
    this.#netfilter ??= NetlinkSocket.open({
      protocol: 'netfilter',
      ...(this.namespace === undefined ? {} : { namespace: this.namespace }),
    });
    return this.#netfilter;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Delivers what has happened until now. */
  drain(): void {
    Place.drainAll([this]);
  }

  /** The same for many places: one question tells in which of them anything has. */
  static drainAll(places: readonly Place[]): void {
    NetlinkMonitor.drainAll(places.flatMap((place) => place.#monitors));
  }

  device(name: string): Device | undefined {
    return this.#devices.get(name);
  }

  deviceAt(index: number): Device | undefined {
    const name = this.#names.get(index);
    return name === undefined ? undefined : this.#devices.get(name);
  }

  devices(): IterableIterator<Device> {
    return this.#devices.values();
  }

  /** Notes a device as it is; returns how it was known before, under whatever name. */
  note(device: Device): Device | undefined {
    for (const touched of this.#looks) touched.add(device.index);
    const before = this.deviceAt(device.index);
    if (before !== undefined && before.name !== device.name) this.#devices.delete(before.name);
    const replaced = this.#devices.get(device.name);
    if (replaced !== undefined && replaced.index !== device.index) this.#names.delete(replaced.index);
    this.#devices.set(device.name, device);
    this.#names.set(device.index, device.name);
    return before;
  }

  /** Forgets a device that is gone. */
  forget(index: number): void {
    for (const touched of this.#looks) touched.add(index);
    const name = this.#names.get(index);
    if (name === undefined) return;
    this.#names.delete(index);
    if (this.#devices.get(name)?.index === index) this.#devices.delete(name);
  }

  /** Asks the kernel for one device. */
  async lookAtDevice(name: string): Promise<Device | undefined> {
    const answer = await linkByName(this.route, name, DEVICE_LINK);
    if (answer !== undefined) {
      const device = deviceOf(answer);
      this.note(device);
      return device;
    }
    const known = this.#devices.get(name);
    if (known !== undefined) this.forget(known.index);
    return undefined;
  }

  /** Asks the kernel for all devices. What is heard or seen of one meanwhile is newer than what the list says of it. */
  async lookAtDevices(): Promise<void> {
    const touched = new Set<number>();
    this.#looks.add(touched);
    try {
      const request = { ...link.dump({ extMask: RTEXT_FILTER.SKIP_STATS }), family: DEVICE_LINK };
      const devices = await this.route.dump(request, deviceOf);
      const listed = new Set(devices.map(({ index }) => index));
      for (const index of [...this.#names.keys()])
        if (!listed.has(index) && !touched.has(index)) this.forget(index);
      for (const device of devices) if (!touched.has(device.index)) this.note(device);
    } finally {
      this.#looks.delete(touched);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const monitor of this.#monitors) monitor.close();
    this.route.close();
    this.#netfilter?.close();
    this.namespace?.close();
  }
}
