import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  gatewayOf,
  type Intent,
  prefixRange,
  rangesOverlap,
  type SubnetSpec,
  updateConditions,
} from '@outboard/model';
import type { Draft } from '../draft.js';
import type { NetworkEntry, SubnetEntry } from '../entries.js';
import { keyOf } from '../records.js';
import { nameKey } from '../world.js';
import { nextMetadata } from './preconditions.js';
import { describe, firstUsers, inUse, Refusal } from './refusal.js';

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

  const gateway = gatewayOf(spec);
  const holder = existing?.network.addresses.get(gateway);
  if (holder) {
    const description = `${gateway} is held by ${describe(holder.record.resource)}`;
    refusal.add('spec.gateway', description, 'ALREADY_EXISTS', 'ADDRESS_TAKEN');
  }
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
  const status = { observedGeneration: generation, gateway, allocated: 0, conditions };
  draft.put({ kind: 'Subnet', resource: { kind: 'Subnet', metadata, spec, status } });
  if (existing && before?.status.gateway !== gateway) retellGateway(draft, existing);
  return ok(undefined);
}

/** Refused while ports have addresses of the subnet. */
export function deleteSubnet(draft: Draft, subnet: SubnetEntry): Result<void, AppError> {
  const { resource } = subnet.record;
  if (subnet.allocated > 0) {
    return err(inUse(describe(resource), firstUsers(usersOf(subnet)), subnet.allocated));
  }
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
    draft.putPort({ ...port.record, resource: next }, port.placement);
  }
}
