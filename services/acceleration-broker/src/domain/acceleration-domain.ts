import type { GeneratedKeyVersion } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { DocumentDomain } from '@outboard/document-owner';
import type {
  CompiledDocument,
  DocumentChange,
  DocumentHead,
  DocumentReport,
} from '@outboard/document-owner/documents';
import {
  type AccelerationSession,
  type AnyResource,
  findCondition,
  type KindName,
  type Name,
  type Status,
  SYSTEM_TENANT,
} from '@outboard/model';
import { notFound, targetOf } from '@outboard/model/decide';
import type {
  Command,
  DomainChange,
  DomainContext,
  DomainDecision,
  ProjectedChange,
  ResourceDomain,
} from '@outboard/resource-service';
import { endSession, KINDS, obey } from './commands.js';
import { holderPort } from './holder-port.js';
import { keyObjectKey, sessionObjectKey } from './objects.js';
import { placementText, planText } from './plan-text.js';
import { present } from './present.js';
import { project } from './projection.js';
import { keyOf, nameKey, RECORD_KINDS, type StoredRecord } from './records.js';
import { adopt } from './restored.js';
import type { EndCause } from './session-conditions.js';
import { fingerprinted, putKeyObjects, settleKey } from './settle-key.js';
import { putSessionObject, settleSession } from './settle-session.js';
import { type RecordChange, World } from './world.js';

/** Sessions, and keys, that are looked at again with one commit. */
const MAX_SETTLED = 250;

/** Profiles, sessions, keys and quotas, and the documents that follow from them. */
export class AccelerationDomain implements ResourceDomain, DocumentDomain {
  readonly api = 'acceleration';
  readonly kinds: readonly KindName[] = KINDS;
  readonly rowKinds = RECORD_KINDS;
  #world = new World();

  reload(records: Iterable<unknown>, revision: number): void {
    const world = new World();
    for (const record of records as Iterable<StoredRecord>) world.put(record);
    for (const session of world.all('AccelerationSession')) {
      putSessionObject(world, session, revision);
      const { metadata, status } = session.resource;
      if (status.dpu && isApplied(status))
        world.confirmations.await(status.dpu, sessionObjectKey(metadata.uid), undefined);
      world.dirtySessions.add(nameKey(metadata.tenant, metadata.name));
    }
    for (const key of world.all('AccelerationKey')) {
      const { metadata, status } = key.resource;
      for (const dpu of putKeyObjects(world, key, new Set(), revision)) {
        if (isApplied(status)) world.confirmations.await(dpu, keyObjectKey(metadata.uid), undefined);
      }
      world.dirtyKeys.add(nameKey(metadata.tenant, metadata.name));
    }
    world.loaded(revision);
    this.#world = world;
  }

  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError> {
    const world = this.#world;
    const { kind, metadata } = targetOf(command);
    // As it was, with what is counted: the world will not have it any more.
    const former = this.find(kind, metadata.tenant, metadata.name);
    const obeyed = obey(world, command, context);
    if (!obeyed.ok) return obeyed;
    this.#settleKeys(context);
    const changes = this.#takeChanges();
    const own = changes.find(
      ({ key }) => key.kind === kind && key.tenant === metadata.tenant && key.name === metadata.name,
    );
    // The very same object where it is among the changes: its JSON form is then made once.
    const resource =
      command.operation === 'delete'
        ? former
        : (own?.resource?.after ?? this.find(kind, metadata.tenant, metadata.name));
    return resource ? ok({ resource, changes }) : err(notFound({ kind, metadata }));
  }

  plan(command: Command, context: DomainContext): Result<unknown, AppError> {
    const world = this.#world;
    const { metadata } = targetOf(command);
    const { value, differences } = world.attempt(() => {
      const obeyed = obey(world, command, context);
      if (!obeyed.ok) return obeyed;
      this.#settleKeys(context);
      const session =
        command.operation === 'apply' && command.intent.kind === 'AccelerationSession'
          ? world.get('AccelerationSession', metadata.tenant, metadata.name)
          : undefined;
      return ok({ changes: world.takeChanges(), placement: session && placementText(world, session) });
    });
    return value.ok ? ok(planText(value.value.changes, differences, value.value.placement)) : value;
  }

  resourceOf(record: unknown): AnyResource {
    const resource = present(this.#world, record as StoredRecord);
    if (!resource) throw new Error('the row has no resource');
    return resource;
  }

  find(kind: string, tenant: string, name: string): AnyResource | undefined {
    const record = this.#world.get(kind as StoredRecord['kind'], tenant, name);
    return record && present(this.#world, record);
  }

  session(tenant: string, name: string): AccelerationSession | undefined {
    return this.#world.get('AccelerationSession', tenant, name)?.resource;
  }

  *sessions(): Iterable<AccelerationSession> {
    for (const { resource } of this.#world.all('AccelerationSession')) yield resource;
  }

  /** Whether its holder can have it: it is on a DPU whose worker reports, and nobody else may serve it still. */
  isReachable({ metadata, status }: AccelerationSession): boolean {
    const record = this.#world.get('AccelerationSession', metadata.tenant, metadata.name);
    return record?.leaving === undefined && this.#world.dpu(status.dpu)?.isReachable === true;
  }

  /** By uid; undefined: there is none on that DPU. */
  sessionOn(dpu: Name, uid: string): AccelerationSession | undefined {
    const owner = this.#world.indexes.owners.get(sessionObjectKey(uid));
    const session = owner === undefined ? undefined : this.#world.at('AccelerationSession', owner)?.resource;
    return session?.status.dpu === dpu ? session : undefined;
  }

  /** Takes over what admin and network-intent tell; what that means is settled afterwards. */
  project(changes: readonly ProjectedChange[]): readonly DomainChange[] {
    project(this.#world, changes);
    return this.#takeChanges();
  }

  /** What is projected of another API. */
  projected(kind: 'Dpu' | 'Port'): readonly Omit<ProjectedChange, 'resource'>[] {
    return [...this.#world.all(kind)].map(keyOf).map(({ tenant, name }) => ({ kind, tenant, name }));
  }

  /** Takes over what a worker has made of its document; what that means is settled afterwards. */
  observe(report: DocumentReport): readonly DomainChange[] {
    const { confirmations, dirtySessions, dirtyKeys, indexes } = this.#world;
    this.#letGo(report.dpu, report.sequence);
    for (const object of confirmations.report(report)) {
      const owner = indexes.owners.get(object);
      if (owner !== undefined) (object.startsWith('key/') ? dirtyKeys : dirtySessions).add(owner);
    }
    return [];
  }

  /** Whether a thread of a DPU stands still; what that means is settled afterwards. */
  setStalled(dpu: Name, isStalled: boolean): void {
    const { stalled, dirtySessions, indexes } = this.#world;
    if (stalled.has(dpu) === isStalled) return;
    if (isStalled) stalled.add(dpu);
    else stalled.delete(dpu);
    for (const sessions of [indexes.sessionsByDpu.of(dpu), indexes.unsatisfied])
      for (const session of sessions) dirtySessions.add(session);
  }

  /** Those of the keys that a DPU tells to have made whose fingerprints are not known yet. */
  newFingerprints(dpu: Name, told: readonly GeneratedKeyVersion[]): readonly GeneratedKeyVersion[] {
    return told.filter((each) => fingerprinted(this.#world, dpu, each) !== undefined);
  }

  /** Has keys say by what the secrets that a DPU has made can be recognised. */
  noteFingerprints(
    dpu: Name,
    told: readonly GeneratedKeyVersion[],
    context: DomainContext,
  ): readonly DomainChange[] {
    for (const each of told) {
      const record = fingerprinted(this.#world, dpu, each);
      if (record) settleKey(this.#world, record, context);
    }
    return this.#takeChanges();
  }

  /** The sequence of its document that a DPU must have applied to be sure to serve nothing that is served elsewhere. */
  lastLeft(dpu: Name): number {
    return this.#world.departures.lastLeft(dpu);
  }

  /** DPUs, or `ANY_DPU`, that may serve sessions still which are to be served elsewhere. */
  get departedFrom(): readonly string[] {
    return this.#world.indexes.sessionsLeaving.names;
  }

  /** A DPU, or `ANY_DPU`, can serve nothing any more that had left it before this commit. */
  letGo(dpu: string, { revision }: DomainContext): readonly DomainChange[] {
    this.#letGo(dpu, revision - 1);
    return [];
  }

  /** There are sessions or keys that have to be looked at again: `settle` does. */
  get isUnsettled(): boolean {
    return this.#world.dirtySessions.size + this.#world.dirtyKeys.size > 0;
  }

  /** Looks at some of what has to be looked at again. */
  settle(context: DomainContext): readonly DomainChange[] {
    const world = this.#world;
    for (const key of take(world.dirtySessions, MAX_SETTLED)) {
      const session = world.at('AccelerationSession', key);
      if (!session) continue;
      const { lost } = holderPort(world, session, context.now);
      if (lost === undefined) settleSession(world, session, context);
      else endSession(world, session, context, { reason: 'PortDeleted', message: lost });
    }
    this.#settleKeys(context);
    return this.#takeChanges();
  }

  /** Has a session looked at that has lost its holder's port for good, as time tells alone: `settle` ends it. */
  lookForPort({ metadata }: AccelerationSession, now: number): void {
    const record = this.#world.get('AccelerationSession', metadata.tenant, metadata.name);
    if (record?.bound === undefined || holderPort(this.#world, record, now).lost === undefined) return;
    this.#world.dirtySessions.add(nameKey(metadata.tenant, metadata.name));
  }

  /** Ends sessions whose time is over: those of them that are there, under this uid. */
  end(
    sessions: readonly (readonly [AccelerationSession, EndCause])[],
    context: DomainContext,
  ): readonly DomainChange[] {
    for (const [{ metadata }, why] of sessions) {
      const found = this.#world.get('AccelerationSession', metadata.tenant, metadata.name);
      if (found?.resource.metadata.uid === metadata.uid) endSession(this.#world, found, context, why);
    }
    this.#settleKeys(context);
    return this.#takeChanges();
  }

  /**
   * Has a session know its token by this digest from now on. NOT_FOUND; FAILED_PRECONDITION: the spec tells the digest of
   * one, whose author has it.
   */
  setToken(
    tenant: string,
    name: string,
    tokenSha256: string,
    context: DomainContext,
  ): Result<readonly DomainChange[], AppError> {
    const found = this.#world.get('AccelerationSession', tenant, name);
    if (!found) return err(notFound({ kind: 'AccelerationSession', metadata: { tenant, name } }));
    const { resource } = found;
    if (resource.spec.tokenSha256 !== undefined) {
      const text = 'the spec tells the digest of a token: whoever wrote it has that one';
      return err(new AppError('FAILED_PRECONDITION', text, { reason: 'TOKEN_GIVEN' }));
    }
    const record = { ...found, resource: { ...resource, status: { ...resource.status, tokenSha256 } } };
    settleSession(this.#world, record, context, found);
    return ok(this.#takeChanges());
  }

  /** Takes account of a store that was restored. */
  adopt(epoch: string, context: DomainContext): readonly DomainChange[] {
    adopt(this.#world, epoch, context);
    return this.#takeChanges();
  }

  knowsDpu(dpu: Name): boolean {
    return this.#world.get('Dpu', SYSTEM_TENANT, dpu) !== undefined;
  }

  takeDocumentChanges(revision: number): readonly DocumentChange[] {
    const dpus = [...this.#world.all('Dpu')].map(({ name }) => name);
    return this.#world.documents.take(dpus, revision);
  }

  documentHead(dpu: Name): DocumentHead {
    return this.#world.documents.head(dpu);
  }

  compileDocument(dpu: Name): CompiledDocument {
    return this.#world.documents.compile(dpu);
  }

  #letGo(dpu: string, sequence: number): void {
    const { departures, dirtySessions, indexes } = this.#world;
    departures.letGo(dpu, sequence);
    for (const session of indexes.sessionsLeaving.of(dpu)) dirtySessions.add(session);
  }

  #settleKeys(context: DomainContext): void {
    for (const name of take(this.#world.dirtyKeys, MAX_SETTLED)) {
      const key = this.#world.at('AccelerationKey', name);
      if (key) settleKey(this.#world, key, context);
    }
  }

  #takeChanges(): readonly DomainChange[] {
    return this.#world.takeChanges().map((change) => this.#toDomainChange(change));
  }

  #toDomainChange({ before, after, last = before }: RecordChange): DomainChange {
    const record = after ?? before;
    if (!record) throw new Error('a change of nothing');
    const told = after ? before : last;
    const former = told && 'resource' in told ? told.resource : undefined;
    const resource = after && present(this.#world, after);
    return {
      key: keyOf(record),
      record: after && { data: after, indexes: [] },
      ...((former || resource) && { resource: { before: former, after: resource } }),
    };
  }
}

const isApplied = ({ conditions }: Status): boolean =>
  findCondition(conditions, 'Applied')?.status === 'True';

/** Removes the first members of a set. */
function take(members: Set<string>, most: number): readonly string[] {
  const taken: string[] = [];
  for (const member of members) {
    if (taken.length === most) break;
    taken.push(member);
    members.delete(member);
  }
  return taken;
}
