import { type AppError, equal, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  DEFAULT_ROUTER,
  type Intent,
  type Mtu,
  type Name,
  type NetworkSpec,
  type Segment,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { NetworkEntry } from '../entries.js';
import { placedIn } from '../netlink-objects/place.js';
import { carriedMtu } from '../plan.js';
import { keyOf } from '../records.js';
import { segmentReleaseOf } from '../release.js';
import { replanAll, settleMtu, writeNetwork } from '../settle.js';
import { nameKey, type World } from '../world.js';
import { askOf } from './admission.js';
import { checkAdmission, chooseSegment } from './segment.js';

type NetworkIntent = Intent<'Network', NetworkSpec>;

export function applyNetwork(
  draft: Draft,
  intent: NetworkIntent,
  existing: NetworkEntry | undefined,
): Result<void, AppError> {
  const { world } = draft;
  const { spec } = intent;
  const { tenant } = intent.metadata;
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  else checkRouter(world, intent, refusal);
  const allocated = before?.status.segment;
  const segment = allocated ?? chooseSegment(world, tenant, spec.segment, refusal);
  // What was allowed when it was asked for is not asked again.
  if (allocated && !equal(before.spec.segment, spec.segment)) {
    checkAdmission(world, tenant, askOf({ ...before, spec }), refusal);
  }
  const physicalMtu = segment && physicalMtuOf(world, segment);
  checkMtu(spec, physicalMtu, existing, refusal);
  if (segment === undefined || !refusal.isEmpty) return err(refusal.toError());

  // The MTU of a network that exists is settled below, with its ports.
  const mtu = before ? before.status.mtu : (spec.mtu ?? physicalMtu);
  const metadata = nextMetadata(intent, before, draft.context);
  writeNetwork(draft, metadata, spec, { segment, mtu }, before?.status.conditions ?? []);
  if (!existing || before?.spec.mtu === spec.mtu) return ok(undefined);
  settleMtu(draft, existing);
  // A smaller MTU may let ports in that no underlay could carry.
  replanAll(
    draft,
    [...existing.ports].filter(({ placement }) => !placement),
  );
  settleMtu(draft, existing);
  return ok(undefined);
}

/** Refused while anything lives in the network. Its segment is quarantined until no DPU can have it. */
export function deleteNetwork(draft: Draft, network: NetworkEntry): Result<void, AppError> {
  const { resource } = network.record;
  const chains = draft.world.serviceChains.towards(network);
  const users = [...usersOf(network), ...chains.map(({ record }) => describe(record.resource))];
  if (users.length > 0) return err(inUse(describe(resource), firstUsers(users), users.length));
  const { segment } = resource.status;
  const release = segment && segmentReleaseOf(draft, network, segment);
  // Addresses mean something only in the network: with it goes what was released of them, or soon after it.
  let left = draft.toldAtOnce;
  for (const abandoned of [...network.releases]) {
    if (left-- > 0) draft.remove(keyOf(abandoned.record));
    else draft.world.releases.abandon(abandoned);
  }
  draft.remove(keyOf(network.record));
  if (release) draft.put(release);
  return ok(undefined);
}

function* usersOf(network: NetworkEntry): Generator<string> {
  const { ports, subnets, router } = network;
  for (const { record } of subnets.values()) yield describe(record.resource);
  for (const { record } of placedIn(router, network)) yield describe(record.resource);
  for (const { record } of ports) yield describe(record.resource);
}

const physicalMtuOf = (world: World, { physicalNetwork }: Segment): Mtu | undefined =>
  physicalNetwork === undefined
    ? undefined
    : world.physicalNetworks.get(physicalNetwork)?.record.resource.spec.mtu;

/** Every tenant has its default router; another must be made first. */
function checkRouter(world: World, { metadata, spec }: NetworkIntent, refusal: Refusal): void {
  const { router } = spec;
  if (router === DEFAULT_ROUTER || world.routers.get(nameKey(metadata.tenant, router))?.record) return;
  refusal.add('spec.router', `router ${router} does not exist`, 'NOT_FOUND', 'ROUTER_NOT_FOUND');
}

/** An MTU that a DPU of the network, or its fabric, cannot carry would drop packets of ports that run. */
function checkMtu(
  { mtu }: NetworkSpec,
  physicalMtu: Mtu | undefined,
  network: NetworkEntry | undefined,
  refusal: Refusal,
): void {
  if (mtu === undefined) return;
  if (physicalMtu !== undefined) {
    if (mtu <= physicalMtu) return;
    const description = `its physical network carries ${physicalMtu} bytes`;
    refusal.add('spec.mtu', description, 'FAILED_PRECONDITION', 'MTU_EXCEEDS_PHYSICAL_NETWORK');
    return;
  }
  const tooSmall: Name[] = [];
  for (const [name, { dpu }] of network?.members ?? []) {
    if (network && (carriedMtu(network, dpu.record) ?? mtu) < mtu) tooSmall.push(name);
  }
  if (tooSmall.length === 0) return;
  const names = firstUsers(tooSmall).join(', ');
  refusal.add(
    'spec.mtu',
    `${tooSmall.length} of the network's DPUs cannot carry ${mtu} bytes: ${names}`,
    'FAILED_PRECONDITION',
    'MTU_EXCEEDS_UNDERLAY',
    { dpus: names, total: `${tooSmall.length}` },
  );
}
