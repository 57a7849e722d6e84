import { type FSWatcher, statSync, watch } from 'node:fs';
import { linkByName, NetlinkSocket, NetworkNamespace } from '@outboard/netlink';
import { Place, type PlaceOptions } from '../kernel/place.js';
import {
  DEVICE_PREFIXES,
  isNamespaceName,
  NAMESPACE_PREFIX,
  namespaceName,
  parseAlias,
} from '../realise/names.js';

const DIRECTORY = '/run/netns';
const ROUTER_DEVICES = [
  DEVICE_PREFIXES.bridge,
  DEVICE_PREFIXES.tunnel,
  DEVICE_PREFIXES.geneve,
  DEVICE_PREFIXES.vlan,
  DEVICE_PREFIXES.port,
  DEVICE_PREFIXES.fabric,
  DEVICE_PREFIXES.door,
];

/** True for names of devices that stand in routers' namespaces. */
export const isRouterDevice = (name: string): boolean =>
  ROUTER_DEVICES.some((prefix) => name.startsWith(prefix));

export interface PlacesOptions extends Pick<PlaceOptions, 'onEvents' | 'onOverrun'> {
  /** Something happened to the name of a namespace. */
  onNamespace(name: string): void;
}

/** The DPU's namespace and those of its routers. */
export class Places {
  readonly #routers = new Map<string, Place>();
  #watcher: FSWatcher | undefined;

  private constructor(
    private readonly dpuName: string,
    readonly dpu: Place,
    private readonly options: PlacesOptions,
  ) {}

  /** Opens the DPU's place and those of its routers that are there. */
  static async open(
    dpuName: string,
    namespace: NetworkNamespace | undefined,
    options: PlacesOptions,
  ): Promise<Places> {
    const dpu = await Place.open({ name: '', namespace, ...options });
    const places = new Places(dpuName, dpu, options);
    await places.discover();
    return places;
  }

  router(name: string): Place | undefined {
    return this.#routers.get(name);
  }

  /** The place with that name; empty: the DPU's. */
  at(name: string): Place | undefined {
    return name === '' ? this.dpu : this.#routers.get(name);
  }

  all(): Place[] {
    return [this.dpu, ...this.#routers.values()];
  }

  routers(): IterableIterator<Place> {
    return this.#routers.values();
  }

  /** Where a device of that name stands; undefined for one of a router that is not there. */
  withDevice(name: string): Place | undefined {
    if (!isRouterDevice(name)) return this.dpu;
    for (const place of this.#routers.values()) if (place.device(name) !== undefined) return place;
    return undefined;
  }

  /** Delivers whatever has happened until now, anywhere. */
  drain(): void {
    Place.drainAll(this.all());
  }

  /** Opens the places of our routers that appeared, closes those whose namespace lost its name. */
  async discover(): Promise<void> {
    this.#watchNames();
    for (const name of this.#routers.keys()) if (!this.isNamed(name)) this.leave(name);
    for (const name of NetworkNamespace.list(NAMESPACE_PREFIX)) {
      if (this.#routers.has(name) || !isNamespaceName(name)) continue;
      const namespace = openNamed(name);
      if (namespace === undefined) continue;
      if (await this.#isOurs(name, namespace)) this.enter(await this.openPlace(name, namespace));
      else namespace.close();
    }
  }

  /** Our mark on a place; undefined if it is not this DPU's, or not ours at all. */
  markOf(place: Place): { readonly owner: string; readonly key: string } | undefined {
    return this.#parseMark(place.name, place.device('lo')?.alias);
  }

  /** Is what stands under the name still the place that is known by it? */
  isNamed(name: string): boolean {
    try {
      return statSync(`${DIRECTORY}/${name}`).ino === this.#routers.get(name)?.namespace?.inode;
    } catch {
      return false;
    }
  }

  /** Opens what stands under a name without taking it over: the caller closes it, or hands it to `enter`. */
  async look(name: string): Promise<Place | undefined> {
    const namespace = openNamed(name);
    return namespace === undefined ? undefined : this.openPlace(name, namespace);
  }

  async openPlace(name: string, namespace: NetworkNamespace): Promise<Place> {
    const { onEvents, onOverrun } = this.options;
    try {
      return await Place.open({ name, namespace, onEvents, onOverrun });
    } catch (failure) {
      namespace.close();
      throw failure;
    }
  }

  enter(place: Place): void {
    this.#watchNames();
    const before = this.#routers.get(place.name);
    if (before !== place) before?.close();
    this.#routers.set(place.name, place);
  }

  /** Closes a router's place; its namespace goes when its name is gone and nobody holds it. */
  leave(name: string): void {
    this.#routers.get(name)?.close();
    this.#routers.delete(name);
  }

  close(): void {
    this.#watcher?.close();
    for (const name of [...this.#routers.keys()]) this.leave(name);
    this.dpu.close();
  }

  async #isOurs(name: string, namespace: NetworkNamespace): Promise<boolean> {
    const socket = NetlinkSocket.open({ namespace });
    try {
      const loopback = await linkByName(socket, 'lo');
      return this.#parseMark(name, loopback?.ifalias) !== undefined;
    } finally {
      socket.close();
    }
  }

  /** The name proves whose it is: it follows from the DPU and the router that the alias names. */
  #parseMark(name: string, alias: string | undefined): { owner: string; key: string } | undefined {
    const mark = parseAlias(alias);
    return mark !== undefined && namespaceName(this.dpuName, mark.key) === name ? mark : undefined;
  }

  /** Nothing but the directory tells that a namespace lost its name. Before there was one, it does not exist. */
  #watchNames(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(DIRECTORY, { persistent: false }, (_event, name) => {
        if (name !== null && isNamespaceName(name)) this.options.onNamespace(name);
      });
    } catch (failure) {
      if (!(failure instanceof Error && 'code' in failure && failure.code === 'ENOENT')) throw failure;
    }
  }
}

/** Undefined if it is gone, or if the name is a file without a namespace. */
function openNamed(name: string): NetworkNamespace | undefined {
  try {
    const namespace = NetworkNamespace.open({ name });
    if (isNamespace(namespace)) return namespace;
    namespace.close();
  } catch (failure) {
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'NOT_FOUND')) throw failure;
  }
  return undefined;
}

function isNamespace(namespace: NetworkNamespace): boolean {
  try {
    namespace.run(() => undefined);
    return true;
  } catch {
    return false;
  }
}
