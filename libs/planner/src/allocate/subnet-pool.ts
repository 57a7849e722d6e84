import { allocatableRanges, type IpAddress, rangeContains, type Subnet } from '@outboard/model';
import type { NetworkEntry, SubnetEntry } from '../entries.js';
import { AddressPool } from './address-pool.js';

/** The addresses that a subnet allocates; none is taken yet but the gateway. */
export const poolOf = ({ spec, status }: Subnet): AddressPool =>
  new AddressPool(allocatableRanges(spec), status.gateway);

/** Takes what is held or quarantined in the network out of a new pool. */
export function fillPool({ network, range, pool }: SubnetEntry): void {
  for (const held of [network.addresses.keys(), network.quarantinedAddresses.values()]) {
    for (const address of held) if (rangeContains(range, address)) pool.take(address);
  }
}

/** An address of the subnet has come to be held or quarantined, or is so no longer. */
export function settleAddress({ network, pool, record }: SubnetEntry, address: IpAddress): void {
  const taken =
    network.addresses.has(address) ||
    network.quarantinedAddresses.has(address) ||
    record.resource.status.gateway === address;
  if (taken) pool.take(address);
  else pool.release(address);
}

/** As `settleAddress`, in whatever subnet of the network has the address. */
export function settleAddressIn(network: NetworkEntry, address: IpAddress): void {
  for (const subnet of network.subnets.values()) {
    if (rangeContains(subnet.range, address)) settleAddress(subnet, address);
  }
}
