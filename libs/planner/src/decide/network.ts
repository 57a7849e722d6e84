import { type AppError, err, ok, type Result } from '@outboard/core';
import { checkUpdate, type Intent, type Name, type NetworkSpec, type SegmentationId } from '@outboard/model';
import type { Draft } from '../draft.js';
import type { NetworkEntry } from '../entries.js';
import { overlayMtu } from '../plan.js';
import { keyOf } from '../records.js';
import { segmentReleaseOf } from '../release.js';
import { replanPort, settleMtu, writeNetwork } from '../settle.js';
import { nextMetadata } from './preconditions.js';
import { describe, firstUsers, inUse, Refusal } from './refusal.js';

export function applyNetwork(
  draft: Draft,
  intent: Intent<'Network', NetworkSpec>,
  existing: NetworkEntry | undefined,
): Result<void, AppError> {
  const refusal = new Refusal();
  const before = existing?.record.resource;
  if (before) refusal.addAll(checkUpdate(before, intent));
  const vni = before?.status.segment?.segmentationId ?? chooseVni(draft, intent.spec, refusal);
  const { networkType = 'VXLAN' } = intent.spec.segment;
  if (networkType !== 'VXLAN') {
    const description = `${networkType} cannot be planned yet`;
    refusal.add('spec.segment.networkType', description, 'UNIMPLEMENTED', 'ENCAPSULATION_UNAVAILABLE');
  }
  if (existing) checkMtu(intent.spec, existing, refusal);
  if (vni === undefined || !refusal.isEmpty) return err(refusal.toError());

  const segment = before?.status.segment ?? {
    networkType: 'VXLAN' as const,
    segmentationId: vni,
    physicalNetwork: undefined,
  };
  // The MTU of a network that exists is settled below, with its ports.
  const mtu = before ? before.status.mtu : intent.spec.mtu;
  const metadata = nextMetadata(intent, before, draft.context);
  writeNetwork(draft, metadata, intent.spec, { segment, mtu }, before?.status.conditions ?? []);
  if (!existing || before?.spec.mtu === intent.spec.mtu) return ok(undefined);
  settleMtu(draft, existing);
  // A smaller MTU may let ports in that no underlay could carry.
  for (const port of existing.ports) if (!port.placement) replanPort(draft, port);
  settleMtu(draft, existing);
  return ok(undefined);
}

/** Refused while anything lives in the network. Its segment is quarantined until no DPU can have it. */
export function deleteNetwork(draft: Draft, network: NetworkEntry): Result<void, AppError> {
  const { resource } = network.record;
  const total = network.ports.size + network.subnets.size;
  if (total > 0) return err(inUse(describe(resource), firstUsers(usersOf(network)), total));
  const vni = resource.status.segment?.segmentationId;
  const release = vni === undefined ? undefined : segmentReleaseOf(draft, network, vni);
  // Addresses mean something only in the network: with it goes what was released of them.
  for (const { record } of [...network.releases]) draft.remove(keyOf(record));
  draft.remove(keyOf(network.record));
  if (release) draft.put(release);
  return ok(undefined);
}

function* usersOf({ ports, subnets }: NetworkEntry): Generator<string> {
  for (const { record } of subnets.values()) yield describe(record.resource);
  for (const { record } of ports) yield describe(record.resource);
}

function chooseVni({ world }: Draft, { segment }: NetworkSpec, refusal: Refusal): SegmentationId | undefined {
  const asked = segment.segmentationId;
  if (asked === undefined) {
    const vni = world.segments.lowest();
    if (vni !== undefined) return vni;
    const { first, last } = world.segments.range;
    refusal.add(
      'spec.segment.segmentationId',
      `no identifier of ${first}-${last} is free`,
      'RESOURCE_EXHAUSTED',
      'VNI_EXHAUSTED',
      { range: `${first}-${last}` },
    );
    return undefined;
  }
  const holder = world.segments.holder(asked);
  if (!holder) return asked;
  refusal.add(
    'spec.segment.segmentationId',
    `${asked} is held by ${describe(holder.record.resource)}`,
    'ALREADY_EXISTS',
    'VNI_TAKEN',
    { holder: describe(holder.record.resource) },
  );
  return undefined;
}

/** An MTU that a DPU of the network cannot carry would drop packets of ports that run. */
function checkMtu({ mtu }: NetworkSpec, { members }: NetworkEntry, refusal: Refusal): void {
  if (mtu === undefined) return;
  const tooSmall: Name[] = [];
  for (const [name, { dpu }] of members) if ((overlayMtu(dpu.record) ?? mtu) < mtu) tooSmall.push(name);
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
