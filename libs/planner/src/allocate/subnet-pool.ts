import {
  type AddressCapacity,
  allocatableRanges,
  type IpAddress,
  rangeContains,
  type Subnet,
} from '@outboard/model';
import type { NetworkEntry, SubnetEntry } from '../entries.js';
import { AddressPool } from './address-pool.js';

/** The addresses that a subnet allocates; none is taken yet but the gateway. */
export const poolOf = ({ spec, status }: Subnet): AddressPool =>
  new AddressPool(allocatableRanges(spec), status.gateway);

/** Takes what is held, quarantined, set aside or kept out of a new pool. */
export function fillPool({ network, range, pool, reservations, retained }: SubnetEntry): void {
  const taken = [
    network.addresses.keys(),
    network.quarantinedAddresses.values(),
    reservations.addresses(),
    retained.addresses(),
  ];
  for (const addresses of taken) {
    for (const address of addresses) if (rangeContains(range, address)) pool.take(address);
  }
}

/** Whether an address of the subnet is held, quarantined, set aside, kept or the gateway. */
export const isTaken = (
  { network, record, reservations, retained }: SubnetEntry,
  address: IpAddress,
): boolean =>
  network.addresses.has(address) ||
  network.quarantinedAddresses.has(address) ||
  reservations.has(address) ||
  retained.has(address) ||
  record.resource.status.gateway === address;

/** An address of the subnet has come to be held, quarantined or kept, or is so no longer. */
export function settleAddress(subnet: SubnetEntry, address: IpAddress): void {
  if (isTaken(subnet, address)) subnet.pool.take(address);
  else subnet.pool.release(address);
}

/** As `settleAddress`, in whatever subnet of the network has the address. */
export function settleAddressIn(network: NetworkEntry, address: IpAddress): void {
  for (const subnet of network.subnets.values()) {
    if (rangeContains(subnet.range, address)) settleAddress(subnet, address);
  }
}

/** What a subnet has to allocate, and what has become of it. */
export function capacityOf({ network, pool, record, reservations, retained }: SubnetEntry): AddressCapacity {
  const { addresses, quarantinedAddresses } = network;
  const count = (candidates: Iterable<IpAddress>, counts: (address: IpAddress) => boolean): number => {
    let number = 0;
    for (const address of candidates) if (pool.has(address) && counts(address)) number++;
    return number;
  };
  const { gateway } = record.resource.status;
  const reserved = count(reservations.addresses(), (address) => !addresses.has(address));
  const quarantined = count(
    quarantinedAddresses.values(),
    (address) => !addresses.has(address) && !reservations.has(address) && address !== gateway,
  );
  const kept = count(retained.addresses(), (address) => !quarantinedAddresses.has(address));
  const total = pool.size - (gateway !== undefined && pool.has(gateway) ? 1 : 0);
  const free = pool.free + kept;
  return { total, used: total - reserved - quarantined - free, reserved, quarantined, free };
}
