import { FUNCTION_GROUP } from '@outboard/contracts';
import {
  AF_INET,
  libc,
  type NetworkNamespace,
  runIn,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SystemError,
} from '@outboard/ffi';
import type { Uplink } from '../driver.js';
import { DELETION_GROUP, type Device, OUTBOARD_GROUP } from './device.js';
import { isFunction } from './functions.js';

/** Kinds of devices (IFLA_INFO_KIND) that may lead out of a DPU; hardware has none, `veth` stands for it in a testbed. */
const KINDS: ReadonlySet<string> = new Set(['', 'bond', 'team', 'veth']);

/** What is told of an uplink: a change of these is one of the list. */
const FIELDS = ['name', 'up', 'carrier', 'mtu', 'address'] as const satisfies readonly (keyof Device)[];

/** linux/ethtool.h: struct ethtool_drvinfo and struct ethtool_cmd. */
const DRIVER_INFORMATION = { command: 0x3, length: 196, driver: 4, firmware: 68, text: 32 };
const LINK_SETTINGS = { command: 0x1, length: 44, speed: 12, speedHigh: 28 };
const SPEED_UNKNOWN = 0xffff_ffff;
const UNKNOWN: Asked = { speedMbps: 0, driver: '', firmwareVersion: '' };

type Asked = Pick<Uplink, 'speedMbps' | 'driver' | 'firmwareVersion'>;

/**
 * What drivers have said. A device that changes is another object, as one is that gets its carrier, with which its speed
 * comes; the kernel answers under the lock of all devices, which whoever moves one has for 15 ms and more.
 */
const answers = new WeakMap<Device, Asked>();

/** The devices of the DPU that lead out of it and are not ours, in the order of their names, with what the kernel knows of each. */
export function uplinksAmong(devices: Iterable<Device>, namespace: NetworkNamespace | undefined): Uplink[] {
  const found = [...devices].filter(isUplink).sort((one, other) => (one.name < other.name ? -1 : 1));
  if (found.length === 0) return [];
  const unasked = found.filter((device) => !answers.has(device));
  if (unasked.length > 0) ask(unasked, namespace);
  return found.map((device) => {
    const { name, address, mtu, up, carrier } = device;
    return { name, macAddress: address, mtu, up, carrier, ...(answers.get(device) ?? UNKNOWN) };
  });
}

function ask(devices: readonly Device[], namespace: NetworkNamespace | undefined): void {
  const socket = runIn(namespace, () => libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  try {
    for (const device of devices) answers.set(device, answerOf(socket, device.name));
  } finally {
    libc.close(socket);
  }
}

/** True if a change of a device is a change of the list of uplinks. */
export function touchesUplinks(before: Device | undefined, after: Device | undefined): boolean {
  if (!isUplink(before) && !isUplink(after)) return false;
  if (before === undefined || after === undefined) return true;
  return FIELDS.some((field) => before[field] !== after[field]);
}

function isUplink(device: Device | undefined): device is Device {
  if (device === undefined || device.name === 'lo' || isFunction(device)) return false;
  const isOurs = [OUTBOARD_GROUP, DELETION_GROUP, FUNCTION_GROUP].includes(device.group);
  return !isOurs && device.alias === '' && KINDS.has(device.kind);
}

/** What its driver says; a device that has just gone, or whose driver does not know, says nothing. */
function answerOf(socket: number, device: string): Asked {
  const information = ethtool(socket, device, DRIVER_INFORMATION);
  const settings = ethtool(socket, device, LINK_SETTINGS);
  const text = (offset: number): string =>
    information?.toString('latin1', offset, offset + DRIVER_INFORMATION.text).replace(/\0.*$/s, '') ?? '';
  const speed =
    settings &&
    settings.readUInt16LE(LINK_SETTINGS.speed) + settings.readUInt16LE(LINK_SETTINGS.speedHigh) * 0x1_0000;
  return {
    speedMbps: speed === undefined || speed === SPEED_UNKNOWN ? 0 : speed,
    driver: text(DRIVER_INFORMATION.driver),
    firmwareVersion: text(DRIVER_INFORMATION.firmware),
  };
}

function ethtool(
  socket: number,
  device: string,
  { command, length }: { readonly command: number; readonly length: number },
): Buffer | undefined {
  const answer = Buffer.alloc(length);
  answer.writeUInt32LE(command);
  try {
    libc.ethtool(socket, device, answer);
    return answer;
  } catch (failure) {
    if (failure instanceof SystemError) return undefined;
    throw failure;
  }
}
