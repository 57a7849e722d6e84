import { createHash } from 'node:crypto';
import type { GeneratedKeyVersion } from '@outboard/contracts';
import { equal } from '@outboard/core';
import {
  type AccelerationKeySpec,
  type ConditionUpdateOf,
  type KeyVersion,
  type KeyVersionStatus,
  type Name,
  type Propagation,
  updateConditions,
} from '@outboard/model';
import type { DomainContext } from '@outboard/resource-service';
import { canOpen, isLost } from './key-use.js';
import { keyObject, keyObjectKey } from './objects.js';
import { type KeyPlace, type KeyRecord, nameKey, nameKeyOf } from './records.js';
import type { World } from './world.js';

const MAX_LAGGING = 10;
const FINGERPRINT = /^[0-9a-f]{16}$/;
const UINT32 = 2 ** 32;

/**
 * The first nonce prefix of a key: another one for each, so that the same secret under two names, which nobody can see
 * here, meets the same prefix by chance only.
 */
export const firstNoncePrefix = (uid: string): number =>
  createHash('sha256').update(uid).digest().readUInt32BE();

/**
 * Decides which DPUs have which versions of a key, with which nonces, and has the documents say so.
 *
 * @param former as the documents have it, where that is another one.
 */
export function settleKey(world: World, record: KeyRecord, context: DomainContext, former = record): void {
  const { metadata, spec } = record.resource;
  const placed = { ...record, ...placesOf(world, record) };
  const objectKey = keyObjectKey(metadata.uid);
  const dpus = putKeyObjects(world, placed, new Set(former.places.map(({ dpu }) => dpu)), context.revision);
  const { applied, propagated } = propagation(world, objectKey, dpus);
  const status = {
    ...record.resource.status,
    observedGeneration: metadata.generation,
    versions: spec.versions.map((version) => versionStatus(world, placed, version)),
    propagated,
    conditions: updateConditions(
      'AccelerationKey',
      record.resource.status.conditions,
      [{ type: 'Accepted', reason: 'Valid', message: 'valid' }, applied],
      metadata.generation,
      context.now,
    ),
  };
  const after: KeyRecord = { ...placed, resource: { ...record.resource, status } };
  if (equal(record, after)) return;
  const stamped = { ...metadata, resourceVersion: `${context.revision}` };
  world.put({ ...after, resource: { ...after.resource, metadata: stamped } });
}

/**
 * Has the documents say what is stored of a key.
 *
 * @param before DPUs that may have it.
 * @returns the DPUs that have it.
 */
export function putKeyObjects(
  world: World,
  record: KeyRecord,
  before: ReadonlySet<Name>,
  sequence: number,
): readonly Name[] {
  const sessionUid = sessionUidOf(world, record);
  const here = new Map<Name, KeyPlace[]>();
  for (const place of sessionUid === undefined ? [] : record.places) {
    const { accelerator } = world.dpu(place.dpu) ?? {};
    if (accelerator?.sealingPublicKey !== place.sealingPublicKey) continue;
    here.set(place.dpu, [...(here.get(place.dpu) ?? []), place]);
  }
  const key = keyObjectKey(record.resource.metadata.uid);
  for (const dpu of before) if (!here.has(dpu)) world.setObject(dpu, key, undefined, sequence);
  for (const [dpu, places] of here)
    world.setObject(dpu, key, keyObject(record, places, sessionUid ?? ''), sequence);
  return [...here.keys()];
}

/** A key with the fingerprint that the maker of a version tells; undefined: that is no news, or not its to tell. */
export function fingerprinted(
  world: World,
  dpu: Name,
  { keyUid, version, fingerprint }: GeneratedKeyVersion,
): KeyRecord | undefined {
  const owner = world.indexes.owners.get(keyObjectKey(keyUid));
  const record = owner === undefined ? undefined : world.at('AccelerationKey', owner);
  const { generatedOn } = record?.resource.spec.versions.find((each) => each.version === version) ?? {};
  if (record === undefined || generatedOn !== dpu || !FINGERPRINT.test(fingerprint)) return undefined;
  const isIt = (place: KeyPlace): boolean => place.version === version && place.dpu === dpu;
  if (!record.places.some((place) => isIt(place) && place.fingerprint !== fingerprint)) return undefined;
  return {
    ...record,
    places: record.places.map((place) => (isIt(place) ? { ...place, fingerprint } : place)),
  };
}

/**
 * The places that keep their nonces when a key becomes another: not those whose secret is sealed anew, as the worker then
 * begins its nonces anew, and the secret may be the same.
 */
export const keptPlaces = (before: KeyRecord, after: AccelerationKeySpec): readonly KeyPlace[] =>
  before.places.filter(({ version, sealingPublicKey }) => {
    const isIt = (each: KeyVersion): boolean => each.version === version;
    const [was, is] = [before.resource.spec.versions.find(isIt), after.versions.find(isIt)];
    const secretOf = (each: KeyVersion | undefined) =>
      each?.sealed.find((secret) => secret.sealingPublicKey === sealingPublicKey);
    return is !== undefined && is.maxJobs === was?.maxJobs && equal(secretOf(was), secretOf(is));
  });

/** Takes a key away from every DPU at once. Sessions that name it stay, and are looked at again. */
export function removeKey(world: World, record: KeyRecord, { revision }: DomainContext): void {
  const { uid } = record.resource.metadata;
  for (const { dpu } of record.places) world.setObject(dpu, keyObjectKey(uid), undefined, revision);
  world.remove(record);
  const key = nameKeyOf(record);
  for (const session of world.indexes.sessionsByKey.of(key)) world.dirtySessions.add(session);
  world.dirtyKeys.delete(key);
}

/**
 * A place keeps its nonces as long as the same worker has the version. One that comes anew gets a prefix that no place
 * has had. What a DPU made is remembered for ever: so it is seen that it has lost it.
 */
function placesOf(world: World, record: KeyRecord): Pick<KeyRecord, 'places' | 'nextNoncePrefix'> {
  let next = record.nextNoncePrefix;
  const places: KeyPlace[] = [];
  const used = world.indexes.dpusOfKey(nameKeyOf(record));
  for (const version of record.resource.spec.versions) {
    const { generatedOn } = version;
    for (const name of generatedOn === undefined ? used : [generatedOn]) {
      const known = record.places.find((place) => place.version === version.version && place.dpu === name);
      const dpu = world.dpu(name);
      if (generatedOn !== undefined && known !== undefined) places.push(known);
      else if (dpu?.accelerator && canOpen(record, version, dpu)) {
        const { sealingPublicKey } = dpu.accelerator;
        if (known?.sealingPublicKey === sealingPublicKey) places.push(known);
        else {
          places.push({ version: version.version, dpu: name, sealingPublicKey, noncePrefix: next });
          next = (next + 1) % UINT32;
        }
      }
    }
  }
  return { places, nextNoncePrefix: next };
}

/** Of the session that the key is for; undefined: it is not there. */
function sessionUidOf(world: World, { resource: { metadata, spec } }: KeyRecord): string | undefined {
  if (spec.session === undefined) return '';
  return world.get('AccelerationSession', metadata.tenant, spec.session)?.resource.metadata.uid;
}

function versionStatus(world: World, record: KeyRecord, version: KeyVersion): KeyVersionStatus {
  const { generatedOn } = version;
  const maker = world.dpu(generatedOn);
  const made = record.places.find((place) => place.version === version.version && place.dpu === generatedOn);
  const opened =
    generatedOn === undefined
      ? version.sealed.flatMap(({ sealingPublicKey }) => [
          ...world.indexes.dpusBySealingKey.of(sealingPublicKey),
        ])
      : maker && canOpen(record, version, maker)
        ? [maker.name]
        : [];
  return {
    version: version.version,
    state: version.state,
    fingerprint: made?.fingerprint ?? version.fingerprint,
    dpus: (opened as Name[]).sort(),
    lost: maker !== undefined && isLost(record, version, maker),
  };
}

function propagation(
  world: World,
  objectKey: string,
  dpus: readonly Name[],
): { readonly propagated: Propagation | undefined; readonly applied: ConditionUpdateOf<'AccelerationKey'> } {
  const states = dpus.toSorted().map((dpu) => ({ dpu, ...world.confirmations.stateOf(dpu, objectKey) }));
  const lagging = states.filter(({ state }) => state !== 'APPLIED');
  const broken = lagging.find(({ state }) => state !== 'APPLYING');
  const total = states.length;
  const propagated =
    total === 0
      ? undefined
      : {
          applied: total - lagging.length,
          total,
          lagging: lagging.slice(0, MAX_LAGGING).map(({ dpu }) => dpu),
        };
  const text = `${total - lagging.length} of ${total} ${total === 1 ? 'DPU' : 'DPUs'}`;
  const applied = (reason: 'AppliedAndReadBack' | 'DpuProblems' | 'Applying', message: string) =>
    ({ type: 'Applied', reason, message }) as const;
  if (broken && 'message' in broken) {
    return { propagated, applied: applied('DpuProblems', `${broken.dpu}: ${broken.message}`) };
  }
  return { propagated, applied: applied(lagging.length > 0 ? 'Applying' : 'AppliedAndReadBack', text) };
}

export const keysOfSession = (world: World, tenant: string, name: string): readonly KeyRecord[] =>
  [...world.indexes.keysBySession.of(nameKey(tenant, name))].flatMap(
    (key) => world.at('AccelerationKey', key) ?? [],
  );
