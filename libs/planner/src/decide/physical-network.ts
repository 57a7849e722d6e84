import { type AppError, err, ok, type Result } from '@outboard/core';
import {
  checkUpdate,
  type Intent,
  kindOf,
  type PhysicalNetworkSpec,
  updateConditions,
  uplinkOf,
} from '@outboard/model';
import { describe, firstUsers, inUse, nextMetadata, Refusal } from '@outboard/model/decide';
import type { Draft } from '../draft.js';
import type { NetworkEntry, PhysicalNetworkEntry } from '../entries.js';
import { keyOf } from '../records.js';
import { replanAll, settleMtu } from '../settle.js';
import type { World } from '../world.js';

export function applyPhysicalNetwork(
  draft: Draft,
  intent: Intent<'PhysicalNetwork', PhysicalNetworkSpec>,
  existing: PhysicalNetworkEntry | undefined,
): Result<void, AppError> {
  const { world, context } = draft;
  const { spec } = intent;
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  if (existing) checkUsers(existing, spec, refusal);
  checkUplinks(world, intent.metadata.name, spec, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());

  const metadata = nextMetadata(intent, before, context);
  const { generation } = metadata;
  const conditions = updateConditions(
    'PhysicalNetwork',
    before?.status.conditions ?? [],
    [{ type: 'Accepted', reason: 'Valid', message: '' }],
    generation,
    context.now,
  );
  const kind = 'PhysicalNetwork';
  const status = { observedGeneration: generation, dpus: 0, networks: 0, conditions };
  draft.put({ kind, resource: { kind, metadata, spec, status } });
  replanCarried(draft);
  return ok(undefined);
}

/** Refused while it carries a network or a policy names it. */
export function deletePhysicalNetwork(draft: Draft, physical: PhysicalNetworkEntry): Result<void, AppError> {
  const { resource } = physical.record;
  const users = [...usersOf(draft.world, physical)];
  if (users.length > 0) return err(inUse(describe(resource), firstUsers(users), users.length));
  draft.remove(keyOf(physical.record));
  replanCarried(draft);
  return ok(undefined);
}

function* usersOf(
  { encapsulationPolicies }: World,
  { record, networks }: PhysicalNetworkEntry,
): Generator<string> {
  const { name } = record.resource.metadata;
  for (const network of networks) yield describe(network.record.resource);
  for (const { resource } of encapsulationPolicies.values()) {
    const references = kindOf(resource).references(resource.spec);
    if (references.some((reference) => reference.name === name)) yield describe(resource);
  }
}

/** What networks and ports have of it stays. */
function checkUsers({ networks }: PhysicalNetworkEntry, spec: PhysicalNetworkSpec, refusal: Refusal): void {
  const refuse = (field: string, what: string, users: readonly string[]): void => {
    if (users.length === 0) return;
    const names = firstUsers(users).join(', ');
    const metadata = { total: `${users.length}`, users: names };
    const description = `${what}: ${names}`;
    refusal.add(`spec.${field}`, description, 'FAILED_PRECONDITION', 'PHYSICAL_NETWORK_IN_USE', metadata);
  };
  const failing = (fails: (network: NetworkEntry) => boolean): string[] =>
    [...networks].filter(fails).map(({ record }) => describe(record.resource));
  const outside = failing(({ record: { resource } }) => {
    const id = resource.status.segment?.segmentationId;
    return (
      id !== undefined && !spec.vlanRanges.some(({ minimum, maximum }) => minimum <= id && id <= maximum)
    );
  });
  refuse('vlanRanges', `must have the VLANs of its ${outside.length} networks`, outside);
  const larger = failing(({ record: { resource } }) => (resource.spec.mtu ?? 0) > spec.mtu);
  refuse('mtu', `must not be less than what ${larger.length} networks ask for`, larger);
  const detached = [...networks].flatMap(({ members }) =>
    [...members.values()].flatMap(({ dpu, ports }) =>
      uplinkOf(spec, dpu.record) ? [] : [...ports].map(({ record }) => describe(record.resource)),
    ),
  );
  refuse('attachments', `must keep the DPUs of ${detached.length} ports`, detached);
}

/** An uplink of a DPU leads to one physical network. */
function checkUplinks(world: World, name: string, spec: PhysicalNetworkSpec, refusal: Refusal): void {
  const taken: string[] = [];
  for (const { record: dpu } of world.dpus.values()) {
    const uplink = uplinkOf(spec, dpu);
    if (uplink === undefined) continue;
    for (const { record } of world.physicalNetworks.values()) {
      const other = record.resource;
      if (other.metadata.name === name || uplinkOf(other.spec, dpu) !== uplink) continue;
      taken.push(`${uplink} of ${dpu.name} leads to ${other.metadata.name}`);
    }
  }
  if (taken.length === 0) return;
  const description = firstUsers(taken).join(', ');
  refusal.add('spec.attachments', description, 'ALREADY_EXISTS', 'UPLINK_TAKEN', {
    total: `${taken.length}`,
  });
}

/** Ports of all physical networks, as these give way to each other at uplinks. */
function replanCarried(draft: Draft): void {
  for (const { networks } of draft.world.physicalNetworks.values()) {
    for (const network of networks) {
      replanAll(draft, network.ports);
      settleMtu(draft, network);
    }
  }
}
