import { readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
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

const PCI_DEVICES = '/sys/bus/pci/devices';

/** Where a physical function stands in the host: its device's name, and its place on the bus if it is on one. */
interface PhysicalFunction {
  readonly ifname: string;
  /** `0000:03:00.0`. */
  readonly pciAddress: string | undefined;
}

/** A function's device as it is in the host now. */
export interface FoundDevice extends HostDevice {
  readonly ifIndex: number;
}

/** The host's own network namespace: where functions are until a pod gets them. */
export class HostNetwork {
  readonly #socket = NetlinkSocket.open();
  /** By MAC address. */
  #physical = new Map<string, PhysicalFunction>();

  constructor(private readonly pciDevices = PCI_DEVICES) {}

  /** Looks for physical functions anew. */
  async refresh(): Promise<void> {
    const links = await this.#socket.dump(link.dump());
    this.#physical = new Map(
      links.flatMap(({ ifname, address, permAddress, parentDevName, parentDevBusName }) => {
        const macAddress = permAddress ?? address;
        if (ifname === undefined || macAddress === undefined) return [];
        return [[macAddress, { ifname, pciAddress: parentDevBusName === 'pci' ? parentDevName : undefined }]];
      }),
    );
  }

  /**
   * The device of a function while it is in the host; undefined: it is not. On a PCI bus the kernel tells which device
   * is which virtual function; elsewhere names do, as systemd.net-naming-scheme(7) gives them.
   */
  async deviceOf({ pfMacAddress, vfNumber }: FunctionIdentity): Promise<FoundDevice | undefined> {
    const physical = this.#physical.get(pfMacAddress);
    if (physical === undefined) return undefined;
    if (vfNumber === undefined) return this.#named(physical.ifname);
    const pciAddress = physical.pciAddress && this.#virtualFunction(physical.pciAddress, vfNumber);
    if (pciAddress) return this.#onBus(pciAddress);
    return this.#named(`${physical.ifname}v${vfNumber}`);
  }

  /**
   * Which function a device plugin means: by its PCI address, or by the name of its device. Undefined: none of these
   * physical functions has such a one.
   */
  identify(deviceId: string): { pfMacAddress: string; vfNumber: number | undefined } | undefined {
    for (const [pfMacAddress, { ifname, pciAddress }] of this.#physical) {
      if (deviceId === pciAddress || deviceId === ifname) return { pfMacAddress, vfNumber: undefined };
      if (pciAddress !== undefined) {
        const vfNumber = this.#virtualFunctions(pciAddress).indexOf(deviceId);
        if (vfNumber >= 0) return { pfMacAddress, vfNumber };
      }
      const number = deviceId.startsWith(`${ifname}v`) ? deviceId.slice(ifname.length + 1) : '';
      if (/^\d{1,4}$/.test(number)) return { pfMacAddress, vfNumber: Number(number) };
    }
    return undefined;
  }

  /**
   * Moves a device into a namespace, down, under another name and with a mark. It blocks in the kernel, on a pool
   * thread. Throws AppError INTERNAL with the kernel's refusal.
   */
  async give(
    { ifIndex, ifname }: FoundDevice,
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
    const change: Request<Link> = link.change({ ifiIndex: ifIndex, ...upFlags(false), ifname, address, mtu });
    await applyAll(this.#socket, `restore ${ifname}`, [change]);
  }

  close(): void {
    this.#socket.close();
  }

  async #named(ifname: string): Promise<FoundDevice | undefined> {
    return found(await linkByName(this.#socket, ifname));
  }

  async #onBus(pciAddress: string): Promise<FoundDevice | undefined> {
    const links = await this.#socket.dump(link.dump(), (each) =>
      each.parentDevName === pciAddress ? each : undefined,
    );
    return found(links[0]);
  }

  #virtualFunction(pciAddress: string, vfNumber: number): string | undefined {
    try {
      return basename(readlinkSync(join(this.pciDevices, pciAddress, `virtfn${vfNumber}`)));
    } catch {
      return undefined;
    }
  }

  /** PCI addresses by number. */
  #virtualFunctions(pciAddress: string): readonly (string | undefined)[] {
    try {
      const count = readdirSync(join(this.pciDevices, pciAddress)).filter((each) =>
        each.startsWith('virtfn'),
      ).length;
      return Array.from({ length: count }, (_, vfNumber) => this.#virtualFunction(pciAddress, vfNumber));
    } catch {
      return [];
    }
  }
}

function found(device: Link | undefined): FoundDevice | undefined {
  const { ifiIndex, ifname, address, mtu } = device ?? {};
  if (ifiIndex === undefined || ifname === undefined || address === undefined || mtu === undefined)
    return undefined;
  return { ifIndex: ifiIndex, ifname, address, mtu };
}
