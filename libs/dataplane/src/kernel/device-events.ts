import type { NetlinkEvent } from '@outboard/netlink';
import { linkKey } from '../realise/linux-keys.js';
import { type Device, deviceOf } from './device.js';
import type { Place } from './place.js';

/** A device that came, went or changed. */
export interface DeviceChange {
  readonly before: Device | undefined;
  readonly after: Device | undefined;
  /** Keys of links: to look at again, and whatever stands upon them too. */
  readonly changed: readonly string[];
  readonly lost: readonly string[];
}

/** Notes in a place what the kernel tells of a device. */
export function noteDevice(
  place: Place,
  { operation, value }: Extract<NetlinkEvent, { family: 'link' }>,
): DeviceChange {
  if (operation === 'delete') {
    const before = place.deviceAt(value.ifiIndex);
    place.forget(value.ifiIndex);
    const lost = value.ifname === undefined ? [] : [linkKey(value.ifname)];
    return { before, after: undefined, changed: [], lost };
  }
  const after = deviceOf(value);
  const before = place.note(after);
  const key = linkKey(after.name);
  const renamed = before !== undefined && before.name !== after.name ? [linkKey(before.name)] : [];
  // Going down takes routes and neighbours along.
  return before?.up === true && !after.up
    ? { before, after, changed: [], lost: [...renamed, key] }
    : { before, after, changed: [key], lost: renamed };
}

export const isNamed = (
  { before, after }: DeviceChange,
  ...names: readonly (string | undefined)[]
): boolean => names.includes(before?.name) || names.includes(after?.name);
