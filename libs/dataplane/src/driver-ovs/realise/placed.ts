import type { ForwardingEntry, InterfaceAddress, Neighbour, RouterInterface } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Underlay } from '../../driver.js';
import { parseForwarding, parseNeighbour } from '../../realise/parse-placed.js';
import { macAddress } from '../../realise/values.js';
import { gatewayAddressFlows } from './gateway.js';
import { memberFlows, neighbourFlows, peerMember, wayTo } from './members.js';
import { identity, type OvsSpec } from './ovs-objects.js';
import type { Segment } from './segment.js';

/** What callers place into a network themselves, as it stands on Open vSwitch. Throws AppError INVALID_ARGUMENT. */
type Placed = readonly DriverObject<OvsSpec>[];

export function neighbourObjects(neighbour: Neighbour, { metadata }: Segment): Placed {
  const { mac, address } = parseNeighbour(neighbour);
  return neighbourFlows(metadata, address, mac);
}

export function forwardingObjects(
  entry: ForwardingEntry,
  segment: Segment,
  underlay: Underlay | undefined,
): Placed {
  const { mac, remote, port } = parseForwarding(entry, underlay);
  if (remote === undefined) return memberFlows(segment, identity('port', port), mac, []);
  return [...wayTo(segment, remote), ...memberFlows(segment, peerMember(remote), mac, [])];
}

export function interfaceAddressObjects(
  { address }: InterfaceAddress,
  gateway: RouterInterface,
  { metadata }: Segment,
): Placed {
  const problems = new Problems();
  const mac = macAddress('macAddress', gateway.macAddress, problems);
  const flows = gatewayAddressFlows('address', address, mac, gateway.router, metadata, problems);
  if (problems.total > 0) throw problems.toError();
  return flows;
}
