import type { ForwardingEntry, InterfaceAddress, Neighbour } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Underlay } from '../driver.js';
import { interfaceAddress } from './addresses.js';
import { addressKey, linkKey } from './linux-keys.js';
import type { LinuxSpec } from './linux-objects.js';
import { portName } from './names.js';
import { parseForwarding, parseNeighbour } from './parse-placed.js';
import { deviceTowards, remoteEntries } from './realise-encapsulation.js';
import { memberEntries, neighbourEntry, type Segment } from './segment.js';

/** What callers place into a network themselves, as it stands on Linux. Throws AppError INVALID_ARGUMENT. */
type Placed = readonly DriverObject<LinuxSpec>[];

export function neighbourObjects(neighbour: Neighbour, { namespace, bridge }: Segment): Placed {
  const { mac, address } = parseNeighbour(neighbour);
  return [neighbourEntry(namespace, bridge, address, mac)];
}

/** An entry of the bridge; where it leads to another DPU by a device that has several peers, one of that device, too. */
export function forwardingObjects(
  entry: ForwardingEntry,
  segment: Segment,
  underlay: Underlay | undefined,
): Placed {
  const { mac, remote, port } = parseForwarding(entry, underlay);
  const { namespace, bridge, networkUid } = segment;
  if (remote === undefined) {
    return memberEntries(namespace, bridge, portName(port, networkUid), mac, []);
  }
  const device = deviceTowards(segment, remote);
  return [...remoteEntries(segment, remote, mac, []), ...memberEntries(namespace, bridge, device, mac, [])];
}

export function interfaceAddressObjects(placed: InterfaceAddress, segment: Segment): Placed {
  const problems = new Problems();
  const object = addressObject('address', placed.address, segment, problems);
  if (problems.total > 0) throw problems.toError();
  return [object];
}

/** An address of a network's gateway, which is the bridge. */
export function addressObject(
  field: string,
  text: string,
  { namespace, bridge }: Segment,
  problems: Problems,
): DriverObject<LinuxSpec> {
  const address = interfaceAddress(text);
  if (address === undefined) problems.add(field, 'must be an address and a prefix length');
  const within = linkKey(bridge);
  return {
    key: addressKey(bridge, address ?? ''),
    spec: { kind: 'address', namespace, device: bridge, address: address ?? '' },
    after: [within],
    within,
  };
}
