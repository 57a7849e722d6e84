import type { NetlinkEvent } from '@outboard/netlink';
import { observedAddress } from '../kernel/addresses.js';
import { type DeviceChange, noteDevice } from '../kernel/device-events.js';
import { fixedTableOf } from '../kernel/guards.js';
import type { Place } from '../kernel/place.js';
import { guardKey } from '../realise/linux-keys.js';
import { EXIT_DEVICE, exitKey } from './realise/ovs-objects.js';

/** What events of the kernel amount to. */
export interface Digest {
  /** Keys to look at again, and what stands upon them, too. */
  readonly changed: string[];
  readonly lost: string[];
  readonly devices: DeviceChange[];
  /** Addresses of devices came or went. */
  addresses: boolean;
}

/** Translates events, and keeps the place's devices up to date. */
export function digestEvents(place: Place, events: readonly NetlinkEvent[]): Digest {
  const digest: Digest = { changed: [], lost: [], devices: [], addresses: false };
  for (const event of events) {
    switch (event.family) {
      case 'link': {
        const change = noteDevice(place, event);
        digest.devices.push(change);
        digest.changed.push(...change.changed);
        digest.lost.push(...change.lost);
        if (change.after?.name === EXIT_DEVICE) digest.changed.push(exitKey(EXIT_DEVICE));
        else if (change.before?.name === EXIT_DEVICE) digest.lost.push(exitKey(EXIT_DEVICE));
        break;
      }
      case 'address': {
        digest.addresses = true;
        const seen = observedAddress(place, event.value);
        if (seen !== undefined) digest.changed.push(seen.key);
        break;
      }
      case 'nftTable':
      case 'nftChain':
      case 'nftRule': {
        const table = fixedTableOf(event.value);
        if (table === 'uplink') digest.changed.push(guardKey('', table));
        break;
      }
    }
  }
  return digest;
}
