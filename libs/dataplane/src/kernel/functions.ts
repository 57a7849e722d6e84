import { FUNCTION_GROUP } from '@outboard/contracts';
import type { DiscoveredFunction } from '../driver.js';
import type { Device } from './device.js';

/**
 * Port names of functions, as drivers give them (phys_port_name) and as udev then names netdevs: `pf0` or `pf0hpf`,
 * `pf0vf3`, `pf0sf88`, with `c1` in front for a controller other than the DPU's own.
 */
const PORT_NAME = /^(?:c(\d+))?pf(\d+)(?:hpf|(vf|sf)(\d+))?$/;

interface Representor {
  /** Controller and physical function. */
  readonly parent: string;
  readonly isPhysical: boolean;
  /** By which functions are put in the order of their numbers. */
  readonly order: number;
  /** With the address of the physical function that was known last. */
  function: DiscoveredFunction;
}

/**
 * What was made of a device before. A device that changes is another object, so this is asked for again with every look
 * at hundreds of functions of which one has changed.
 */
const representors = new WeakMap<Device, Representor>();

/**
 * The functions whose representors are among the devices of the DPU, in the order of their numbers. One of which nothing
 * has changed is the same object as before.
 */
export function functionsAmong(devices: Iterable<Device>): DiscoveredFunction[] {
  const found: Representor[] = [];
  const physical = new Map<string, Device>();
  for (const device of devices) {
    const representor = representorOf(device);
    if (representor === undefined) continue;
    found.push(representor);
    if (representor.isPhysical) physical.set(representor.parent, device);
  }
  found.sort((one, other) => one.order - other.order);
  return found.map((representor) => {
    const pfMacAddress = macOf(physical.get(representor.parent));
    if (representor.function.pfMacAddress !== pfMacAddress)
      representor.function = { ...representor.function, pfMacAddress };
    return representor.function;
  });
}

function representorOf(device: Device): Representor | undefined {
  const known = representors.get(device);
  if (known !== undefined) return known;
  const match = PORT_NAME.exec(device.physPortName) ?? PORT_NAME.exec(device.name);
  if (match === null) return undefined;
  const [, controller = '0', pf = '0', kind, number] = match;
  const isMade = kind === 'sf' && device.group === FUNCTION_GROUP;
  const found: DiscoveredFunction = {
    flavour: isMade ? 'VIRTUAL' : kind === 'vf' ? 'PCI_VF' : kind === 'sf' ? 'PCI_SF' : 'PCI_PF',
    controller: Number(controller),
    pfNumber: Number(pf),
    ...(kind === 'vf' ? { vfNumber: Number(number) } : {}),
    ...(kind === 'sf' ? { sfNumber: Number(number) } : {}),
    // A representor stands for something on the other side of the bus, on the host, unless the DPU has made it for itself.
    external: !isMade,
    pfMacAddress: '',
    hwAddress: macOf(device),
    netdev: device.name,
    physPortName: device.physPortName === '' ? device.name : device.physPortName,
    switchId: device.switchId,
    attachment: isMade ? 'DPU' : 'HOST',
    active: device.up,
    attached: device.carrier,
  };
  const representor: Representor = {
    parent: `${controller} ${pf}`,
    isPhysical: kind === undefined,
    order: orderOf(found),
    function: found,
  };
  representors.set(device, representor);
  return representor;
}

const macOf = (device: Device | undefined): string =>
  device === undefined ? '' : device.permanentAddress || device.address;

const orderOf = ({ controller, pfNumber, vfNumber = -1, sfNumber = -1 }: DiscoveredFunction): number =>
  controller * 1e12 + pfNumber * 1e9 + (sfNumber + 1) * 1e4 + vfNumber + 1;

/** True if a change of a device is a change of the list of functions. */
export function touchesFunctions(before: Device | undefined, after: Device | undefined): boolean {
  if (!isFunction(before) && !isFunction(after)) return false;
  if (before === undefined || after === undefined) return true;
  return FUNCTION_FIELDS.some((field) => before[field] !== after[field]);
}

/** What the list tells of a device. */
const FUNCTION_FIELDS = [
  'name',
  'up',
  'carrier',
  'address',
  'permanentAddress',
  'physPortName',
  'switchId',
] as const satisfies readonly (keyof Device)[];

/** Its name is that of a representor. */
export const isFunction = (device: Device | undefined): boolean =>
  device !== undefined && (PORT_NAME.test(device.physPortName) || PORT_NAME.test(device.name));

/** Whether a function's representor belongs to a switch. Asked with every change of one: names are looked at last. */
export function anyOfSwitch(devices: Iterable<Device>): boolean {
  for (const device of devices) if (device.switchId !== '' && isFunction(device)) return true;
  return false;
}
