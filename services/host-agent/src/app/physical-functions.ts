import { readdirSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { FunctionIdentity } from '@outboard/model';

const PCI_DEVICES = '/sys/bus/pci/devices';
/** What systemd.net-naming-scheme(7) puts behind a physical function's name for its virtual ones. */
const VIRTUAL = /^v(\d{1,4})$/;

/** The part of a link message that tells which physical function a device is. */
export interface PhysicalDevice {
  readonly ifname?: string | undefined;
  readonly address?: string | undefined;
  readonly permAddress?: string | undefined;
  readonly parentDevName?: string | undefined;
  readonly parentDevBusName?: string | undefined;
}

interface PhysicalFunction {
  readonly ifname: string;
  /** `0000:03:00.0`; undefined: it is on no PCI bus. */
  readonly pciAddress: string | undefined;
}

/** Where a function's device is to be looked for. */
export type DevicePlace = { readonly pciAddress: string } | { readonly ifname: string };

/**
 * How ports name functions and how the host does. On a PCI bus the kernel tells which device is which virtual function
 * (the links `virtfnN` of its physical one in sysfs); elsewhere names do.
 */
export class PhysicalFunctions {
  /** By MAC address. */
  readonly #functions: ReadonlyMap<string, PhysicalFunction>;

  constructor(
    devices: readonly PhysicalDevice[],
    private readonly pciDevices = PCI_DEVICES,
  ) {
    const functions = new Map<string, PhysicalFunction>();
    for (const { ifname, address, permAddress, parentDevName, parentDevBusName } of devices) {
      const macAddress = permAddress ?? address;
      if (ifname === undefined || macAddress === undefined) continue;
      const pciAddress = parentDevBusName === 'pci' ? parentDevName : undefined;
      // A bridge or a bond has the address of what is in it.
      if (pciAddress !== undefined || !functions.has(macAddress))
        functions.set(macAddress, { ifname, pciAddress });
    }
    this.#functions = functions;
  }

  /** Undefined: the host has no such physical function. */
  placeOf({ pfMacAddress, vfNumber }: Omit<FunctionIdentity, 'serialNumber'>): DevicePlace | undefined {
    const physical = this.#functions.get(pfMacAddress);
    if (physical === undefined) return undefined;
    if (vfNumber === undefined) return { ifname: physical.ifname };
    const pciAddress = physical.pciAddress && this.#virtualFunction(physical.pciAddress, vfNumber);
    return pciAddress ? { pciAddress } : { ifname: `${physical.ifname}v${vfNumber}` };
  }

  /**
   * Which function a device plugin means: by its PCI address, or by the name of its device. Undefined: none of these
   * physical functions has such a one.
   */
  identify(
    deviceId: string,
  ): { readonly pfMacAddress: string; readonly vfNumber: number | undefined } | undefined {
    for (const [pfMacAddress, { ifname, pciAddress }] of this.#functions) {
      if (deviceId === pciAddress || deviceId === ifname) return { pfMacAddress, vfNumber: undefined };
      const onBus = pciAddress === undefined ? -1 : this.#virtualFunctions(pciAddress).indexOf(deviceId);
      if (onBus >= 0) return { pfMacAddress, vfNumber: onBus };
      const named = deviceId.startsWith(ifname) ? VIRTUAL.exec(deviceId.slice(ifname.length)) : null;
      if (named !== null) return { pfMacAddress, vfNumber: Number(named[1]) };
    }
    return undefined;
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
      const names = readdirSync(join(this.pciDevices, pciAddress));
      const { length } = names.filter((name) => name.startsWith('virtfn'));
      return Array.from({ length }, (_, vfNumber) => this.#virtualFunction(pciAddress, vfNumber));
    } catch {
      return [];
    }
  }
}
