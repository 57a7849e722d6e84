import type { FunctionIdentity } from '@outboard/model';
import {
  applyAll,
  type Link,
  link,
  linkByName,
  NetlinkSocket,
  type NetworkNamespace,
  type Request,
  upFlags,
} from '@outboard/netlink';
import type { HostDevice } from '../domain/attachment.js';
import { PhysicalFunctions } from './physical-functions.js';

/** A function's device in the host, as it can be given to a pod. */
export interface GivableDevice extends HostDevice {
  readonly ifIndex: number;
}

/** A function's device as it is in the host now. */
export interface FoundDevice extends GivableDevice {
  /** Of an attachment that it was given to; empty: none. */
  readonly mark: string;
}

/** The host's own network namespace: where functions are until a pod gets them. */
export class HostNetwork {
  readonly #socket = NetlinkSocket.open();
  #physical = new PhysicalFunctions([]);

  /** Looks for physical functions anew. */
  async refresh(): Promise<void> {
    this.#physical = new PhysicalFunctions(await this.#socket.dump(link.dump()));
  }

  /** The device of a function while it is in the host; undefined: it is not. */
  async deviceOf(identity: FunctionIdentity): Promise<FoundDevice | undefined> {
    const place = this.#physical.placeOf(identity);
    if (place === undefined) return undefined;
    if ('ifname' in place) return found(await linkByName(this.#socket, place.ifname));
    const [device] = await this.#socket.dump(link.dump(), (each) =>
      each.parentDevName === place.pciAddress ? each : undefined,
    );
    return found(device);
  }

  /** The same for who gives it to a pod, where it can be without waiting for moves of others. */
  async givable(identity: FunctionIdentity): Promise<GivableDevice | undefined> {
    const place = this.#physical.placeOf(identity);
    if (place === undefined || 'pciAddress' in place) return this.deviceOf(identity);
    const { ifname } = place;
    const device = this.#socket.quickLink(ifname);
    return device && { ifname, ifIndex: device.ifiIndex, address: device.address, mtu: device.mtu };
  }

  /** Which function a device plugin means; undefined: none of this host. */
  identify(deviceId: string): ReturnType<PhysicalFunctions['identify']> {
    return this.#physical.identify(deviceId);
  }

  /**
   * Moves a device into a namespace, down, under another name and with a mark. It blocks in the kernel, on a pool
   * thread. Throws AppError INTERNAL with the kernel's refusal.
   */
  async give(
    { ifIndex, ifname }: GivableDevice,
    namespace: NetworkNamespace,
    as: { readonly ifname: string; readonly mark: string },
  ): Promise<void> {
    const move: Request<Link> = link.change({
      ifiIndex: ifIndex,
      ...upFlags(false),
      netNsFd: namespace.descriptor,
      ifname: as.ifname,
      ifalias: as.mark,
    });
    const what = `move ${ifname} into the pod as ${as.ifname}`;
    await applyAll(this.#socket, what, [move], { offThread: true });
  }

  /** Makes a device in the host what it was before, whatever it is called: the kernel has given it back by itself. */
  async restore({ ifIndex }: FoundDevice, { ifname, address, mtu }: HostDevice): Promise<void> {
    const asBefore = { ifname, address, mtu, ifalias: '' };
    const change: Request<Link> = link.change({ ifiIndex: ifIndex, ...upFlags(false), ...asBefore });
    await applyAll(this.#socket, `restore ${ifname}`, [change]);
  }

  close(): void {
    this.#socket.close();
  }
}

function found(device: Link | undefined): FoundDevice | undefined {
  const { ifiIndex, ifname, address, mtu, ifalias = '' } = device ?? {};
  if (ifiIndex === undefined || ifname === undefined || address === undefined || mtu === undefined)
    return undefined;
  return { ifIndex: ifiIndex, ifname, address, mtu, mark: ifalias };
}
