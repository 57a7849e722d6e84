import { invariant } from '@outboard/core';
import type { IpAddress, MacAddress, Metadata, Name, Segment } from '@outboard/model';
import { dpusThatKnow } from './confirmation.js';
import type { Draft } from './draft.js';
import type { NetworkEntry, PortEntry } from './entries.js';
import type { ReleaseEntry } from './quarantine.js';
import type { ReleaseRecord } from './records.js';

/** Unconfirmed releases of one network. Reached only where ports come and go for long while a DPU is away. */
export const MAX_RELEASES_PER_NETWORK = 65_536;

interface GivenUp {
  readonly addresses: readonly IpAddress[];
  readonly macAddress: MacAddress | undefined;
}

type Waits = Record<string, number>;

/**
 * What a port gives up, to be quarantined; undefined: no DPU can have it. To be made before the port leaves its place.
 */
export function releaseOf(
  draft: Draft,
  port: PortEntry,
  { addresses, macAddress }: GivenUp,
): ReleaseRecord | undefined {
  const { network, record } = port;
  if (addresses.length === 0 && macAddress === undefined) return undefined;
  if (record.sequence === 0) return undefined;
  const waits = waitsOf(draft, network);
  // Who has the port is told by this very decision that it changes or goes.
  for (const dpu of dpusThatKnow(port)) waits[dpu.record.name] = draft.context.revision;
  // Where rules mean the port by its addresses, nobody else may have them before these rules forget it.
  if (addresses.length > 0) for (const name of dpusThatMean(port)) waits[name] = draft.context.revision;
  if (Object.keys(waits).length === 0) return undefined;
  return make(draft, network, 'Port', record.resource.metadata, {
    addresses,
    macAddress,
    segment: undefined,
    waits,
  });
}

function* dpusThatMean({ presence, network }: PortEntry): Generator<string> {
  const { router } = network.record.resource.spec;
  for (const group of presence?.members.keys() ?? []) {
    for (const place of group.places.values()) if (place.router === router) yield place.dpu.record.name;
  }
}

/** DPUs take no part in a network any more: until they confirm, they may still have anything of it. */
export const departure = (draft: Draft, network: NetworkEntry, dpus: Iterable<Name>): ReleaseRecord =>
  make(draft, network, 'Network', network.record.resource.metadata, {
    addresses: [],
    macAddress: undefined,
    segment: undefined,
    waits: Object.fromEntries([...dpus].map((name) => [name, draft.context.revision])),
  });

/** The segment of a network that is deleted; undefined: no DPU can have it. */
export function segmentReleaseOf(
  draft: Draft,
  network: NetworkEntry,
  segment: Segment,
): ReleaseRecord | undefined {
  const waits = waitsOf(draft, network);
  if (Object.keys(waits).length === 0) return undefined;
  const { metadata } = network.record.resource;
  return make(draft, network, 'Network', metadata, { addresses: [], macAddress: undefined, segment, waits });
}

/** DPUs that may have anything of a network that its documents have no more, and what each must confirm. */
function waitsOf({ world, context }: Draft, network: NetworkEntry): Waits {
  const waits: Waits = {};
  for (const name of [...network.members.keys(), ...network.stragglers.keys()]) {
    const dpu = world.dpus.get(name);
    if (!dpu) continue;
    const { name: dpuName } = dpu.record;
    const head = world.documents.isPending(dpuName) ? context.revision : world.documents.sequence(dpuName);
    if ((dpu.applied ?? 0) < head) waits[name] = head;
  }
  return waits;
}

function make(
  { world }: Draft,
  network: NetworkEntry,
  kind: 'Network' | 'Port',
  { tenant, name, uid }: Metadata,
  given: Pick<ReleaseRecord, 'addresses' | 'macAddress' | 'segment' | 'waits'>,
): ReleaseRecord {
  return {
    kind: 'Release',
    name: world.newReleaseName(),
    networkUid: network.record.resource.metadata.uid,
    holder: { kind, tenant, name, uid },
    ...given,
  };
}

/** Releases that wait for the DPU no longer; those that wait for none are over. */
export function confirmReleases(draft: Draft, releases: Iterable<ReleaseEntry>, dpu: string): FreedValues {
  for (const release of [...releases]) draft.world.releases.confirm(release, dpu);
  return endReleases(draft);
}

/** Releases that are over go, and their values are free again: as many as one decision can hold, others with those that follow. */
export function endReleases(draft: Draft): FreedValues {
  const freed: FreedValues = { ports: new Set(), networks: new Set() };
  const { releases } = draft.world;
  let left = draft.toldAtOnce;
  for (const name of releases.over) {
    if (left-- === 0) break;
    const release = releases.get(name);
    invariant(release, `release ${name} exists`);
    const { networkUid, segment, macAddress, addresses } = release.record;
    draft.remove({ kind: 'Release', tenant: '_', name });
    const holder = segment && draft.world.segments.holder(segment);
    if (holder) freed.networks.add(holder);
    const network = draft.world.networksByUid.get(networkUid);
    const holders = [
      macAddress && network?.macAddresses.get(macAddress),
      ...addresses.map((address) => network?.addresses.get(address)),
    ];
    for (const holder of holders) if (holder && !holder.placement) freed.ports.add(holder);
  }
  return freed;
}

/** Who holds values that were quarantined until now. */
export interface FreedValues {
  readonly ports: Set<PortEntry>;
  readonly networks: Set<NetworkEntry>;
}
