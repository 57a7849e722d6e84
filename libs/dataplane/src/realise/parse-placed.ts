import type { ForwardingEntry, Neighbour } from '@outboard/contracts';
import { Problems } from '@outboard/core';
import type { Underlay } from '../driver.js';
import { ipAddress, macAddress, tunnelDestination } from './values.js';

/** Throws AppError INVALID_ARGUMENT with every problem of the neighbour. */
export function parseNeighbour(neighbour: Neighbour) {
  const problems = new Problems();
  const mac = macAddress('macAddress', neighbour.macAddress, problems);
  const address = ipAddress('address', neighbour.address, problems);
  if (problems.total > 0) throw problems.toError();
  return { mac, address };
}

/**
 * A MAC address, and where it leads: to another DPU (`remote`, its tunnel endpoint), or, where that is undefined, to the
 * port with the key `port`. Throws AppError INVALID_ARGUMENT with every problem of the entry.
 */
export function parseForwarding(entry: ForwardingEntry, underlay: Underlay | undefined) {
  const { target } = entry;
  const problems = new Problems();
  const mac = macAddress('macAddress', entry.macAddress, problems);
  const remote =
    target.case === 'tunnelEndpoint' ? tunnelDestination(target.value, underlay, problems) : undefined;
  if (target.case === undefined) problems.add('target', 'is required');
  if (problems.total > 0) throw problems.toError();
  return { mac, remote, port: target.value ?? '' };
}
