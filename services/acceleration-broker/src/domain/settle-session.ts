import { equal } from '@outboard/core';
import {
  type AccelerationSession,
  type AccelerationSessionSpec,
  effectivePolicy,
  formatTime,
  type JobProgram,
  keysOfPrograms,
  type PartialSessionPolicy,
  type SessionPolicy,
  updateConditions,
} from '@outboard/model';
import type { DomainContext } from '@outboard/resource-service';
import { createdAt, holderPort } from './holder-port.js';
import { keysOf } from './key-use.js';
import { sessionObject, sessionObjectKey } from './objects.js';
import {
  assess,
  type Demand,
  isWithinReach,
  type NoPlace,
  nearest,
  type Place,
  ranked,
} from './placement.js';
import { type Leaving, nameKey, nameKeyOf, type SessionRecord } from './records.js';
import { ACCEPTED, appliedUpdate, plannedUpdate } from './session-conditions.js';
import type { World } from './world.js';

interface Choice {
  readonly place: Place | undefined;
  readonly refusal: Pick<NoPlace, 'reason' | 'message'> | undefined;
}

const NOT_CHOSEN: Choice = { place: undefined, refusal: undefined };

/** What a session is to be served with: its own, its profile's, the default. */
export function wantedOf(
  world: World,
  tenant: string,
  spec: AccelerationSessionSpec,
): { readonly programs: readonly JobProgram[]; readonly policy: SessionPolicy } {
  const profile = spec.profile && world.get('AccelerationProfile', tenant, spec.profile)?.resource.spec;
  const policies: PartialSessionPolicy[] = profile ? [spec.policy, profile.policy] : [spec.policy];
  return { programs: profile ? profile.programs : spec.programs, policy: effectivePolicy(...policies) };
}

/** Where a session could be, every DPU of those that it may be on. */
export function placesFor(
  world: World,
  record: SessionRecord,
): { readonly places: readonly Place[]; readonly refusals: readonly NoPlace[] } {
  const { metadata, spec, status } = record.resource;
  const { programs, policy } = wantedOf(world, metadata.tenant, spec);
  const { port } = spec.holder;
  const demand: Demand = {
    programs,
    policy,
    keys: [...keysOf(world, metadata, programs).found.values()],
    dpu: spec.dpu,
    home: port && world.dpu(world.get('Port', metadata.tenant, port)?.dpu),
  };
  const assessed = [...world.all('Dpu')]
    .filter((dpu) => isWithinReach(demand, dpu))
    .map((dpu) => {
      const isHere = status.dpu === dpu.name;
      const load = isHere ? world.indexes.loadBeside(record) : world.indexes.load(dpu.name);
      return assess(demand, dpu, { load, isStalled: world.stalled.has(dpu.name) });
    });
  return {
    places: assessed.filter((each) => each.fits),
    refusals: assessed.filter((each) => !each.fits),
  };
}

/**
 * Decides where a session is and what it is told of that, as things are now, and has the documents say so. It stays
 * where it is as long as it can.
 *
 * @param former as it is stored, where that is another one.
 */
export function settleSession(
  world: World,
  record: SessionRecord,
  context: DomainContext,
  former = record,
): void {
  const { metadata, spec, status } = record.resource;
  const { programs, policy } = wantedOf(world, metadata.tenant, spec);
  const { found, problems } = keysOf(world, metadata, programs);
  const keys = Object.fromEntries(
    keysOfPrograms(programs).map((name) => [
      name,
      found.get(name)?.resource.metadata.uid ?? record.keys[name] ?? '',
    ]),
  );
  const tokenSha256 = spec.tokenSha256 ?? status.tokenSha256;
  const stranger = strangerOf(world, record);
  const awaited = awaitedPort(world, record);
  // The first place is one for all its programs; later ones need not wait for a key that a new program names.
  const isAwaitingKeys = status.dpu === undefined && Object.values(keys).includes('');
  const { place, refusal } = stranger || awaited || isAwaitingKeys ? NOT_CHOSEN : choose(world, record);
  const dpu = place?.dpu.name ?? status.dpu;
  const isMove = place !== undefined && status.epoch > 0 && place.dpu.name !== status.dpu;
  const epoch = isMove ? status.epoch + 1 : dpu === undefined ? 0 : Math.max(1, status.epoch);
  const isPlaced = dpu !== undefined;
  const leaving = isMove ? departure(world, record, context) : record.leaving;
  const isLeaving = leaving !== undefined && leaving.dpu !== dpu && !world.departures.isGone(leaving);
  const planned = plannedUpdate({ stranger, tokenSha256, problems, awaited, refusal, place, isPlaced });
  const placed: SessionRecord = {
    ...record,
    keys,
    bound: holderPort(world, record, context.now).bound,
    leaving: isLeaving ? leaving : undefined,
    resource: {
      ...record.resource,
      status: {
        ...status,
        ...(place && {
          dpu,
          epoch,
          socketDirectory: `${place.dpu.accelerator?.socketDirectory}/${metadata.uid}`,
          programs: place.programs,
          offload: { asked: policy.offload, ...place.offload },
        }),
        observedGeneration: metadata.generation,
        tokenSha256,
        policy,
        expiresAt: endOf(record.resource),
      },
    },
  };
  const moved = isMove ? `from ${status.dpu}, ${whyNot(world, record)}, to ${dpu}` : undefined;
  putSessionObject(world, placed, context.revision);
  const conditions = updateConditions(
    'AccelerationSession',
    status.conditions,
    [ACCEPTED, planned, appliedUpdate(world, placed, moved)],
    metadata.generation,
    context.now,
  );
  const after = { ...placed.resource, status: { ...placed.resource.status, conditions } };
  keep(world, former, { ...placed, resource: after }, context);
}

/** Takes a session that moves out of the document of its DPU; who may serve it still then. */
function departure(world: World, record: SessionRecord, { revision }: DomainContext): Leaving | undefined {
  const { metadata, status } = record.resource;
  if (status.dpu === undefined) return undefined;
  const sequence = world.leave(status.dpu, sessionObjectKey(metadata.uid), revision);
  // Where it was going, it has never been.
  return record.leaving ?? { dpu: status.dpu, sequence };
}

/** Has the document of the DPU that a session is on say what is stored of it, once nobody else may serve it. */
export function putSessionObject(world: World, record: SessionRecord, sequence: number): void {
  const { metadata, status } = record.resource;
  if (status.dpu === undefined) return;
  const isNobodys = record.leaving !== undefined || strangerOf(world, record) !== undefined;
  const object = isNobodys
    ? undefined
    : sessionObject(record, wantedOf(world, metadata.tenant, record.resource.spec));
  world.setObject(status.dpu, sessionObjectKey(metadata.uid), object, sequence);
}

/** When it ends by its ttl; undefined: it does not. */
function endOf({ metadata, spec }: AccelerationSession): string | undefined {
  return spec.ttlSeconds === undefined
    ? undefined
    : formatTime(createdAt(metadata.uid) + spec.ttlSeconds * 1000);
}

/** Stores what became of a session, and has the keys looked at that are wanted on other DPUs by it. */
function keep(world: World, before: SessionRecord, after: SessionRecord, { revision }: DomainContext): void {
  if (equal(before, after)) return;
  const { metadata } = after.resource;
  const names = new Set([...Object.keys(before.keys), ...Object.keys(after.keys)]);
  const places = () =>
    [...names].map((name) => world.indexes.dpusOfKey(nameKey(metadata.tenant, name)).join(' '));
  const wanted = places();
  const stamped = { ...metadata, resourceVersion: `${revision}` };
  world.put({ ...after, resource: { ...after.resource, metadata: stamped } });
  const changed = places();
  for (const [index, name] of [...names].entries()) {
    if (wanted[index] !== changed[index]) world.dirtyKeys.add(nameKey(metadata.tenant, name));
  }
}

/** Why its holder's port is not its pod's; undefined: it is, or nobody knows whose it is. */
function strangerOf(world: World, { resource: { metadata, spec } }: SessionRecord): string | undefined {
  const { port, pod } = spec.holder;
  if (port === undefined || pod === undefined) return undefined;
  const found = world.get('Port', metadata.tenant, port)?.pod;
  return found === undefined || found === pod ? undefined : `port ${port} is pod ${found}'s, not ${pod}'s`;
}

/** Undefined: it waits for no port. */
function awaitedPort(
  world: World,
  { resource: { metadata, spec, status } }: SessionRecord,
): string | undefined {
  const { port } = spec.holder;
  if (port === undefined || spec.dpu !== undefined || status.dpu !== undefined) return undefined;
  const found = world.get('Port', metadata.tenant, port);
  if (found === undefined) return `there is no port ${port}`;
  if (found.dpu === undefined) return `port ${port} is on no DPU`;
  // What is near to it is not known either.
  return world.dpu(found.dpu) === undefined
    ? `port ${port} is on ${found.dpu}, which is not known`
    : undefined;
}

/** Where it is if that will do, else the best place; and why there is none. */
function choose(world: World, record: SessionRecord): Choice {
  const { places, refusals } = placesFor(world, record);
  const { dpu } = record.resource.status;
  const place = places.find((each) => each.dpu.name === dpu) ?? ranked(places)[0];
  if (place) return { place, refusal: undefined };
  const refusal = refusals.find((each) => each.dpu.name === dpu) ?? nearest(refusals);
  return {
    place: undefined,
    refusal: refusal ?? { reason: 'Unsupported', message: 'there is no DPU that it may be on' },
  };
}

/** Why a session cannot stay where it is. */
function whyNot(world: World, record: SessionRecord): string {
  const { dpu } = record.resource.status;
  const refusal = placesFor(world, record).refusals.find((each) => each.dpu.name === dpu);
  if (refusal) return `as ${refusal.message}`;
  return world.dpu(dpu) ? 'where it may not be any more' : 'which is gone';
}

/** Takes a session away; `last` is what is told of it then. */
export function removeSession(
  world: World,
  record: SessionRecord,
  { revision }: DomainContext,
  last = record,
): void {
  const { metadata, status } = record.resource;
  if (status.dpu) world.setObject(status.dpu, sessionObjectKey(metadata.uid), undefined, revision);
  world.remove(record, last);
  for (const name of Object.keys(record.keys)) world.dirtyKeys.add(nameKey(metadata.tenant, name));
  world.dirtySessions.delete(nameKeyOf(record));
}
