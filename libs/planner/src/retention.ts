import type { IpAddress, Name, Port, PortAddressStatus } from '@outboard/model';
import { MAX_RETENTIONS_PER_SUBNET } from './allocate/retentions.js';
import type { Draft } from './draft.js';
import type { NetworkEntry, PortEntry, SubnetEntry } from './entries.js';
import { keyOf, type RetentionRecord } from './records.js';
import { nameKey } from './world.js';

const MILLISECONDS = 1000;

/** Keeps what was allocated to a port that has gone for a port of its name. */
export function retainAddresses(draft: Draft, { network, record }: PortEntry): void {
  const { resource } = record;
  for (const address of resource.status.addresses) {
    const subnet = network.subnets.get(address.subnet);
    if (subnet && isRetained(resource, address, subnet))
      retain(draft, subnet, resource.metadata.name, address.ip);
  }
}

/** What was asked for will be asked for again, and what is set aside needs no keeping. */
function isRetained(port: Port, { subnet: name, ip }: PortAddressStatus, subnet: SubnetEntry): boolean {
  const { retentionSeconds, allocationMode } = subnet.record.resource.spec;
  if (retentionSeconds === 0 || allocationMode !== 'LOWEST') return false;
  if (subnet.reservations.has(ip) || !subnet.pool.has(ip)) return false;
  return port.spec.addresses.find((asked) => asked.subnet === name)?.ip === undefined;
}

function retain(draft: Draft, subnet: SubnetEntry, port: Name, address: IpAddress): void {
  const { now } = draft.context;
  const { metadata, spec } = subnet.record.resource;
  for (const kept of [...subnet.retained.values()]) if (kept.until <= now) draft.remove(keyOf(kept));
  const excess = subnet.retained.size < MAX_RETENTIONS_PER_SUBNET ? undefined : subnet.retained.first();
  if (excess) draft.remove(keyOf(excess));
  draft.put({
    kind: 'Retention',
    name: `${metadata.uid}.${port}`,
    subnet: nameKey(metadata.tenant, metadata.name),
    port,
    address,
    until: now + spec.retentionSeconds * MILLISECONDS,
  });
}

/**
 * The address that is kept for a port of that name; undefined: none, or a DPU that is away may still have it, and then
 * another one is better than waiting for that.
 */
export function retainedFor(draft: Draft, subnet: SubnetEntry, port: Name): IpAddress | undefined {
  const kept = subnet.retained.for(port);
  if (!kept || kept.until <= draft.context.now) return undefined;
  const { dpus } = draft.world;
  for (const { pending } of subnet.network.quarantinedAddresses.of(kept.address)) {
    for (const name of pending) if (!dpus.get(name)?.record.reachable) return undefined;
  }
  return kept.address;
}

/** What is taken when nothing else is free. */
export const givenUpFirst = ({ network, retained }: SubnetEntry): RetentionRecord | undefined =>
  retained.first(({ address }) => !network.quarantinedAddresses.has(address));

/** What a port has is kept no longer, neither is what is kept under its name. */
export function endRetention(
  draft: Draft,
  network: NetworkEntry,
  port: Name,
  addresses: readonly PortAddressStatus[],
): void {
  for (const { subnet: name, ip } of addresses) {
    const retained = network.subnets.get(name)?.retained;
    for (const kept of new Set([retained?.of(ip), retained?.for(port)])) if (kept) draft.remove(keyOf(kept));
  }
}

/** What the subnet does not allocate any more, or keeps no longer, is not kept. */
export function forgetUnallocatable(draft: Draft, subnet: SubnetEntry): void {
  const { pool, record, reservations, retained } = subnet;
  const { spec, status } = record.resource;
  for (const kept of [...retained.values()]) {
    const { address } = kept;
    const allocatable = pool.has(address) && !reservations.has(address) && address !== status.gateway;
    if (spec.retentionSeconds === 0 || spec.allocationMode !== 'LOWEST' || !allocatable)
      draft.remove(keyOf(kept));
  }
}
