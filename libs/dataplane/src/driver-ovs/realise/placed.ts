import type { ForwardingEntry, InterfaceAddress, Neighbour, RouterInterface } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { DriverObject, Underlay } from '../../driver.js';
import { ipAddress, macAddress, tunnelDestination } from '../../realise/values.js';
import { gatewayAddressFlows } from './gateway.js';
import { memberFlows, neighbourFlows, peerMember, wayTo } from './members.js';
import { identity, type OvsSpec } from './ovs-objects.js';
import type { Segment } from './segment.js';

/** What callers place into a network themselves, as it stands on Open vSwitch. Throws AppError INVALID_ARGUMENT. */
type Placed = readonly DriverObject<OvsSpec>[];

export function neighbourObjects(neighbour: Neighbour, { metadata }: Segment): Placed {
  const problems = new Problems();
  const mac = macAddress('macAddress', neighbour.macAddress, problems);
  const address = ipAddress('address', neighbour.address, problems);
  if (problems.total > 0) throw problems.toError();
  return neighbourFlows(metadata, address, mac);
}

export function forwardingObjects(
  { macAddress: text, target }: ForwardingEntry,
  segment: Segment,
  underlay: Underlay | undefined,
): Placed {
  const problems = new Problems();
  const mac = macAddress('macAddress', text, problems);
  const remote =
    target.case === 'tunnelEndpoint' ? tunnelDestination(target.value, underlay, problems) : undefined;
  if (target.case === undefined) problems.add('target', 'is required');
  if (problems.total > 0) throw problems.toError();
  if (remote === undefined) return memberFlows(segment, identity('port', target.value ?? ''), mac, []);
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
