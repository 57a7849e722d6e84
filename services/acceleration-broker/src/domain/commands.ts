import { AppError, equal, err, ok, type Result } from '@outboard/core';
import { type AnyIntent, checkUpdate, type IntentOf, type KindName } from '@outboard/model';
import {
  accepted,
  changesNothing,
  checkPreconditions,
  describe,
  type Existence,
  firstUsers,
  inUse,
  nextMetadata,
  notFound,
  Refusal,
  targetOf,
} from '@outboard/model/decide';
import type { Command, DomainContext } from '@outboard/resource-service';
import { checkKeyQuota, checkProfileQuota, checkSessionQuota } from './quota.js';
import { type KeyRecord, nameKey, type RecordOf, type SessionRecord } from './records.js';
import { type EndCause, endedBy } from './session-conditions.js';
import { firstNoncePrefix, keptPlaces, keysOfSession, removeKey, settleKey } from './settle-key.js';
import { removeSession, settleSession, wantedOf } from './settle-session.js';
import type { World } from './world.js';

/** The kinds of this API. */
export const KINDS = [
  'AccelerationQuota',
  'AccelerationProfile',
  'AccelerationKey',
  'AccelerationSession',
] as const satisfies readonly KindName[];
export type Kind = (typeof KINDS)[number];

const isKind = (kind: string): kind is Kind => KINDS.some((each) => each === kind);

/** Obeys a command; a refusal has changed nothing. */
export function obey(world: World, command: Command, context: DomainContext): Result<void, AppError> {
  const target = targetOf(command);
  if (!isKind(target.kind))
    return err(new AppError('UNIMPLEMENTED', `${target.kind} is not a kind of this API`));
  const existing = world.get(target.kind, target.metadata.tenant, target.metadata.name);
  const existence: Existence = command.operation === 'apply' ? command.existence : 'update';
  const refused = checkPreconditions(target, existing?.resource, existence);
  if (refused) return err(refused);
  if (command.operation === 'delete') {
    return existing ? remove(world, existing, context) : err(notFound(target));
  }
  if (existing && changesNothing(command.intent, existing.resource)) return ok(undefined);
  const refusal = new Refusal();
  if (existing) refusal.addAll(checkUpdate(existing.resource, command.intent));
  check(world, command.intent, existing, refusal);
  if (!refusal.isEmpty) return err(refusal.toError());
  apply(world, command.intent, existing, context);
  return ok(undefined);
}

/** Rules that need to know what there is. */
function check(
  world: World,
  intent: AnyIntent,
  existing: RecordOf<Kind> | undefined,
  refusal: Refusal,
): void {
  const { tenant } = intent.metadata;
  if (intent.kind === 'AccelerationKey') {
    if (!existing) checkKeyQuota(world, tenant, refusal);
    const { session } = intent.spec;
    if (session !== undefined && !existing && !world.get('AccelerationSession', tenant, session)) {
      refusal.add('spec.session', `session ${session} does not exist`, 'FAILED_PRECONDITION', 'NOT_FOUND');
    }
  }
  if (intent.kind === 'AccelerationProfile') checkProfileQuota(world, tenant, intent, refusal);
  if (intent.kind === 'AccelerationSession') {
    const { profile } = intent.spec;
    if (profile !== undefined && !world.get('AccelerationProfile', tenant, profile)) {
      refusal.add('spec.profile', `profile ${profile} does not exist`, 'FAILED_PRECONDITION', 'NOT_FOUND');
    }
    const before = existing?.kind === 'AccelerationSession' ? existing : undefined;
    checkSessionQuota(world, tenant, before, wantedOf(world, tenant, intent.spec).policy, refusal);
  }
}

function apply(
  world: World,
  intent: AnyIntent,
  existing: RecordOf<Kind> | undefined,
  context: DomainContext,
): void {
  switch (intent.kind) {
    case 'AccelerationQuota':
      world.put({ kind: intent.kind, resource: intended(intent, existing, context) });
      break;
    case 'AccelerationProfile':
      world.put({ kind: intent.kind, resource: intended(intent, existing, context) });
      dirty(world, world.indexes.sessionsByProfile.of(keyOf(intent)));
      break;
    case 'AccelerationKey': {
      const resource = intended(intent, existing, context);
      const former = existing as KeyRecord | undefined;
      const nextNoncePrefix = former?.nextNoncePrefix ?? firstNoncePrefix(resource.metadata.uid);
      const record: KeyRecord = {
        kind: intent.kind,
        resource,
        places: former ? keptPlaces(former, intent.spec) : [],
        nextNoncePrefix,
      };
      world.put(record);
      settleKey(world, record, context, former);
      dirty(world, world.indexes.sessionsByKey.of(keyOf(intent)));
      break;
    }
    case 'AccelerationSession': {
      const resource = intended(intent, existing, context);
      const former = existing as SessionRecord | undefined;
      const { keys = {}, leaving } = former ?? {};
      // For another holder it is another one's.
      const isSameHolder = equal(former?.resource.spec.holder, intent.spec.holder);
      const bound = isSameHolder ? former?.bound : undefined;
      const record: SessionRecord = { kind: intent.kind, resource, keys, leaving, bound };
      world.put(record);
      settleSession(world, record, context);
      break;
    }
  }
}

function remove(world: World, existing: RecordOf<Kind>, context: DomainContext): Result<void, AppError> {
  const { metadata } = existing.resource;
  switch (existing.kind) {
    case 'AccelerationProfile': {
      const users = world.indexes.sessionsByProfile.of(nameKey(metadata.tenant, metadata.name));
      if (users.size > 0) {
        const named = firstUsers([...users].map((user) => `accelerationsession ${user}`));
        return err(inUse(describe(existing.resource), named, users.size));
      }
      world.remove(existing);
      break;
    }
    case 'AccelerationKey':
      removeKey(world, existing, context);
      break;
    case 'AccelerationSession':
      endSession(world, existing, context);
      break;
    case 'AccelerationQuota':
      world.remove(existing);
      break;
  }
  return ok(undefined);
}

/**
 * Takes a session and the keys that are its own away.
 *
 * @param why where nobody asked for it: the last that is told of it.
 */
export function endSession(
  world: World,
  session: RecordOf<'AccelerationSession'>,
  context: DomainContext,
  why?: EndCause,
): void {
  const { tenant, name } = session.resource.metadata;
  removeSession(world, session, context, why && endedBy(session, why, context));
  for (const key of keysOfSession(world, tenant, name)) removeKey(world, key, context);
}

const intended = <Name extends Kind>(
  intent: IntentOf<Name>,
  existing: RecordOf<Kind> | undefined,
  context: DomainContext,
): RecordOf<Name>['resource'] =>
  accepted(intent, nextMetadata(intent, existing?.resource, context), existing?.resource.status, context.now);

const keyOf = ({ metadata }: AnyIntent): string => nameKey(metadata.tenant, metadata.name);

function dirty(world: World, sessions: Iterable<string>): void {
  for (const session of sessions) world.dirtySessions.add(session);
}
