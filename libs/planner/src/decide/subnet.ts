import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  excludedRanges,
  gatewayOf,
  type Intent,
  type IpAddress,
  prefixRange,
  rangeContains,
  rangesOverlap,
  type SubnetSpec,
  updateConditions,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { NetworkEntry, PortEntry, SubnetEntry } from '../entries.js';
import { keyOf } from '../records.js';
import { forgetUnallocatable } from '../retention.js';
import { nameKey } from '../world.js';

export function applySubnet(
  draft: Draft,
  intent: Intent<'Subnet', SubnetSpec>,
  existing: SubnetEntry | undefined,
): Result<void, AppError> {
  const { world, context } = draft;
  const { spec } = intent;
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  const network = existing?.network ?? world.networks.get(nameKey(intent.metadata.tenant, spec.network));
  if (!network)
    refusal.add('spec.network', `network ${spec.network} does not exist`, 'NOT_FOUND', 'NETWORK_NOT_FOUND');
  else if (!existing) checkOverlaps(spec, network, refusal);
  if (network?.physical && spec.routerAdvertisement) {
    const description = `must be absent: the gateway of ${describe(network.record.resource)} is on the fabric`;
    refusal.add('spec.routerAdvertisement', description, 'FAILED_PRECONDITION', 'GATEWAY_ON_FABRIC');
  }

  const gateway = gatewayOf(spec);
  if (existing) checkHolders(spec, existing, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());

  const metadata = nextMetadata(intent, before, context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'Subnet',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    context.now,
  );
  const status = { observedGeneration: generation, gateway, allocated: 0, capacity: undefined, conditions };
  draft.put({ kind: 'Subnet', resource: { kind: 'Subnet', metadata, spec, status } });
  if (!existing) return ok(undefined);
  forgetUnallocatable(draft, existing);
  if (before?.status.gateway !== gateway) retellGateway(draft, existing);
  return ok(undefined);
}

/** Refused while ports have addresses of the subnet. */
export function deleteSubnet(draft: Draft, subnet: SubnetEntry): Result<void, AppError> {
  const { resource } = subnet.record;
  if (subnet.allocated > 0) {
    return err(inUse(describe(resource), firstUsers(usersOf(subnet)), subnet.allocated));
  }
  for (const retention of [...subnet.retained.values()]) draft.remove(keyOf(retention));
  draft.remove(keyOf(subnet.record));
  return ok(undefined);
}

function* usersOf({ network, record }: SubnetEntry): Generator<string> {
  const { name } = record.resource.metadata;
  for (const port of network.ports) {
    const { resource } = port.record;
    if (resource.status.addresses.some(({ subnet }) => subnet === name)) yield describe(resource);
  }
}

/** Who has an address keeps it. */
function checkHolders(spec: SubnetSpec, { network, range }: SubnetEntry, refusal: Refusal): void {
  const { addresses } = network;
  const refuse = (field: string, ip: IpAddress, holder: PortEntry): void => {
    const what = describe(holder.record.resource);
    const metadata = { holder: what };
    refusal.add(field, `${ip} is held by ${what}`, 'ALREADY_EXISTS', 'ADDRESS_TAKEN', metadata);
  };
  const gateway = gatewayOf(spec);
  const holder = addresses.get(gateway);
  if (holder) refuse('spec.gateway', gateway, holder);
  for (const [index, { ip, port }] of spec.reservations.entries()) {
    const taken = addresses.get(ip);
    if (taken && taken.record.resource.metadata.name !== port)
      refuse(`spec.reservations[${index}].ip`, ip, taken);
  }
  const excluded = excludedRanges(spec);
  if (excluded.length === 0) return;
  const named = new Set<number>();
  for (const [ip, taken] of addresses) {
    if (!rangeContains(range, ip)) continue;
    const index = excluded.findIndex((each) => rangeContains(each, ip));
    if (index < 0 || named.has(index)) continue;
    named.add(index);
    refuse(`spec.excludedRanges[${index}]`, ip, taken);
  }
}

/** Subnets of one router share its routes, so that overlaps would be ambiguous. */
function checkOverlaps({ cidr }: SubnetSpec, network: NetworkEntry, refusal: Refusal): void {
  const routes = network.router.record?.resource.spec.routes ?? [];
  if (routes.some(({ destination }) => destination === cidr)) {
    const description = `${cidr} is the destination of a static route of router ${network.record.resource.spec.router}`;
    refusal.add('spec.cidr', description, 'FAILED_PRECONDITION', 'ROUTE_IS_SUBNET');
  }
  const range = prefixRange(cidr);
  for (const other of network.router.subnets) {
    if (!rangesOverlap(range, other.range)) continue;
    const { resource } = other.record;
    const description = `overlaps ${resource.spec.cidr} of ${describe(resource)}, in the same router`;
    refusal.add('spec.cidr', description, 'FAILED_PRECONDITION', 'SUBNET_OVERLAPS', {
      holder: describe(resource),
    });
  }
}

/** Ports repeat the gateway of their subnets for those who configure the host. */
function retellGateway(draft: Draft, { network, record }: SubnetEntry): void {
  const { metadata, status } = record.resource;
  for (const port of network.ports) {
    const { resource } = port.record;
    if (!resource.status.addresses.some(({ subnet }) => subnet === metadata.name)) continue;
    const addresses = resource.status.addresses.map((address) =>
      address.subnet === metadata.name ? { ...address, gateway: status.gateway } : address,
    );
    const next = { ...resource, status: { ...resource.status, addresses } };
    draft.tellPort({ ...port.record, resource: next }, port.placement);
  }
}
