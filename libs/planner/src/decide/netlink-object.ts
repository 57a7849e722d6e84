import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  DEFAULT_ROUTER,
  type Intent,
  type NetlinkObjectSpec,
  prefixesOverlap,
} from '@outboard/model';
import { describe, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { NetlinkObjectEntry, NetworkEntry } from '../entries.js';
import { holderOf, prefixOfAddress, type Surroundings } from '../netlink-objects/place.js';
import { keyOf } from '../records.js';
import { writeNetlinkObject } from '../settle-netlink-objects.js';
import { nameKey } from '../world.js';

/** In a router with its networks: what a DPU has of it stays small, and so does what a change of it touches. */
const MAX_PER_ROUTER = 1024;

type PlacedObject = NetlinkObjectSpec['object'];

export function applyNetlinkObject(
  draft: Draft,
  intent: Intent<'NetlinkObject', NetlinkObjectSpec>,
  existing: NetlinkObjectEntry | undefined,
): Result<void, AppError> {
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  const around = existing ?? surroundingsOf(draft, intent, refusal);
  if (around) checkPlace(intent.spec, around, existing, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());
  writeNetlinkObject(draft, nextMetadata(intent, before, draft.context), intent.spec, before?.status);
  return ok(undefined);
}

export function deleteNetlinkObject(draft: Draft, { record }: NetlinkObjectEntry): Result<void, AppError> {
  draft.remove(keyOf(record));
  return ok(undefined);
}

/** Undefined: there is no such router or network, which is told, or nothing stands in the router yet. */
function surroundingsOf(
  { world }: Draft,
  { metadata: { tenant }, spec: { object } }: Intent<'NetlinkObject', NetlinkObjectSpec>,
  refusal: Refusal,
): Surroundings | undefined {
  if (object.kind === 'route') {
    const router = world.routers.get(nameKey(tenant, object.router));
    if (!router?.record && object.router !== DEFAULT_ROUTER) {
      refusal.add('spec.router', `router ${object.router} does not exist`, 'NOT_FOUND', 'ROUTER_NOT_FOUND');
    }
    return router && { router, network: undefined };
  }
  const network = world.networks.get(nameKey(tenant, object.network));
  if (!network) {
    refusal.add('spec.network', `network ${object.network} does not exist`, 'NOT_FOUND', 'NETWORK_NOT_FOUND');
  }
  return network && { router: network.router, network };
}

function checkPlace(
  { object, dpus }: NetlinkObjectSpec,
  around: Surroundings,
  existing: NetlinkObjectEntry | undefined,
  refusal: Refusal,
): void {
  const { router, network } = around;
  if (!existing && router.netlinkObjects.size >= MAX_PER_ROUTER) {
    const description = `router ${router.name} and its networks have ${MAX_PER_ROUTER} objects, which is the most`;
    refusal.add('spec', description, 'RESOURCE_EXHAUSTED', 'TOO_MANY_OBJECTS');
  }
  if (network?.physical && (object.kind === 'neigh' || object.kind === 'addr')) {
    const description = 'has no gateway here: its network is carried without tunnels';
    refusal.add('spec.network', description, 'FAILED_PRECONDITION', 'NOT_TUNNELLED');
  }
  const field = placeField(object);
  // One that yields already may change; what it yields to does not go by refusing that.
  const holder = existing?.place.reason === 'Conflict' ? undefined : holderOf(object, around);
  if (holder) {
    const description = `the place is taken by ${holder}, which has precedence`;
    refusal.add(field, description, 'FAILED_PRECONDITION', 'PLACE_TAKEN', { holder });
  }
  const other = [...router.netlinkObjects].find(
    (entry) =>
      entry !== existing && shareDpus(entry.record.resource.spec.dpus, dpus) && clash(entry, object, network),
  );
  if (other) {
    const holder = describe(other.record.resource);
    refusal.add(field, `the place is taken by ${holder}`, 'ALREADY_EXISTS', 'PLACE_TAKEN', { holder });
  }
}

const shareDpus = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === 0 || other.length === 0 || one.some((name) => other.includes(name));

/** Whether an entry of the router and an object, in a network or none, want the same place. */
function clash(
  { record, network: home }: NetlinkObjectEntry,
  object: PlacedObject,
  network: NetworkEntry | undefined,
): boolean {
  const other = record.resource.spec.object;
  if (object.kind === 'addr' && other.kind === 'neigh')
    return home === network && other.dst === object.address;
  if (other.kind === 'addr' && object.kind === 'neigh')
    return home === network && other.address === object.dst;
  if (object.kind === 'addr' && other.kind === 'route') return prefixOfAddress(object) === other.dst;
  if (other.kind === 'addr' && object.kind === 'route') return prefixOfAddress(other) === object.dst;
  if (object.kind === 'addr' && other.kind === 'addr') {
    return prefixesOverlap(prefixOfAddress(object), prefixOfAddress(other));
  }
  if (object.kind === 'route' && other.kind === 'route') return object.dst === other.dst;
  if (object.kind === 'neigh' && other.kind === 'neigh') return home === network && object.dst === other.dst;
  return object.kind === 'fdb' && other.kind === 'fdb' && home === network && object.lladdr === other.lladdr;
}

function placeField({ kind }: PlacedObject): string {
  switch (kind) {
    case 'route':
      return 'spec.route.dst';
    case 'neigh':
      return 'spec.neigh.dst';
    case 'fdb':
      return 'spec.fdb.lladdr';
    case 'addr':
      return 'spec.addr.address';
  }
}
