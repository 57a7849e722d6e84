import { type AppError, ok, type Result } from '@outboard/core';
import type { DocumentDomain } from '@outboard/document-owner';
import type {
  CompiledDocument,
  DocumentChange,
  DocumentHead,
  DocumentReport,
} from '@outboard/document-owner/documents';
import { type AnyResource, findKind, type KindName, type Name, SYSTEM_TENANT } from '@outboard/model';
import {
  compileDocument,
  completeRecord,
  type Decision,
  decide,
  differenceOf,
  documentHead,
  dryRun,
  type Explanation,
  explain,
  type Flow,
  hasOutdated,
  type InventoryChange,
  indexesOf,
  keyOf,
  observe,
  type PlannedResource,
  type Command as PlannerCommand,
  present,
  project,
  RECORD_KINDS,
  type RecordChange,
  retell,
  type StoredRecord,
  takeDocumentChanges,
  World,
} from '@outboard/planner';
import type {
  Command,
  DomainChange,
  DomainContext,
  DomainDecision,
  ProjectedChange,
  ResourceDomain,
} from '@outboard/resource-service';
import { planText } from './plan-text.js';

/** The kinds of the network API, as the planner decides on them. */
export class NetworkDomain implements ResourceDomain, DocumentDomain {
  readonly api = 'network';
  /** Others are projected from admin, or no resources. */
  readonly kinds: readonly KindName[] = RECORD_KINDS.filter(
    (kind): kind is Extract<StoredRecord['kind'], KindName> => findKind(kind)?.api === 'network',
  );
  readonly rowKinds = RECORD_KINDS;
  #world = World.load([], 0);

  reload(records: Iterable<unknown>, revision: number): void {
    const complete = [...(records as Iterable<StoredRecord>)].map(completeRecord);
    this.#world = World.load(complete, revision);
  }

  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError> {
    const decided = decide(this.#world, command as PlannerCommand, context);
    if (!decided.ok) return decided;
    const changes = this.#toDomainChanges(decided.value);
    const { kind, metadata } = decided.value.resource;
    const own = changes.find(
      ({ key }) => key.kind === kind && key.tenant === metadata.tenant && key.name === metadata.name,
    );
    // The very same object where it is among the changes: its JSON form is then made once.
    return ok({ resource: own?.resource?.after ?? decided.value.resource, changes });
  }

  plan(command: Command, context: DomainContext): Result<unknown, AppError> {
    const planned = dryRun(this.#world, command as PlannerCommand, context);
    if (!planned.ok) return planned;
    return ok(planText(planned.value, differenceOf(this.#world, command as PlannerCommand, planned.value)));
  }

  /** What becomes of a flow. */
  explain(flow: Flow): Result<Explanation, AppError> {
    return explain(this.#world, flow);
  }

  resourceOf(record: unknown): AnyResource {
    const complete = completeRecord(record as StoredRecord) as { readonly resource: PlannedResource };
    return present(this.#world, complete.resource);
  }

  /** Takes over what admin tells. */
  project(changes: readonly InventoryChange[], context: DomainContext): readonly DomainChange[] {
    return this.#toDomainChanges(project(this.#world, changes, context));
  }

  /** Takes over what a worker has applied and read back. */
  observe(report: DocumentReport, context: DomainContext): readonly DomainChange[] {
    return this.#toDomainChanges(observe(this.#world, report, context));
  }

  /** Whether there is more to tell than one decision could hold. */
  get hasOutdated(): boolean {
    return hasOutdated(this.#world);
  }

  /** Tells some of that. */
  retell(context: DomainContext): readonly DomainChange[] {
    return this.#toDomainChanges(retell(this.#world, context));
  }

  takeDocumentChanges(revision: number): readonly DocumentChange[] {
    return takeDocumentChanges(this.#world, revision);
  }

  documentHead(dpu: Name): DocumentHead {
    return documentHead(this.#world, dpu);
  }

  compileDocument(dpu: Name): CompiledDocument {
    return compileDocument(this.#world, dpu);
  }

  /** The policy's uid, and the DPUs that have it, in the order of their names. */
  placesOfPolicy(
    tenant: string,
    name: Name,
  ): { readonly uid: string; readonly dpus: readonly Name[] } | undefined {
    const { policies } = this.#world;
    const entry = policies.find(tenant, name);
    if (entry === undefined) return undefined;
    const dpus = [...policies.dpusOf(entry)].map(({ record }) => record.name).sort();
    return { uid: entry.record.resource.metadata.uid, dpus };
  }

  /** The same of a chain, with the names of its hops. */
  placesOfChain(tenant: string, name: Name) {
    const { serviceChains } = this.#world;
    const entry = serviceChains.chains.get(`${tenant}/${name}`);
    if (entry === undefined) return undefined;
    const { metadata, spec } = entry.record.resource;
    const dpus = [...serviceChains.dpusOf(entry)].map(({ record }) => record.name).sort();
    return { uid: metadata.uid, dpus, hops: spec.hops.map((hop) => hop.name) };
  }

  knowsDpu(name: Name): boolean {
    return this.#world.dpus.has(name);
  }

  /** What is projected of admin. */
  inventory(): readonly Omit<ProjectedChange, 'resource'>[] {
    const named = (kind: 'Dpu' | 'Function') => (name: string) => ({ kind, tenant: SYSTEM_TENANT, name });
    const { dpus, functions } = this.#world;
    return [...[...functions.keys()].map(named('Function')), ...[...dpus.keys()].map(named('Dpu'))];
  }

  #toDomainChanges({ changes }: Decision): readonly DomainChange[] {
    return changes.map(({ before, after }: RecordChange): DomainChange => {
      const record = after ?? before;
      if (!record) throw new Error('a change of nothing');
      const resource = this.#seen(before, after);
      return {
        key: keyOf(record),
        // Everything is looked up in the world: of the store only what no two rows may hold is wanted.
        record: after && { data: after, indexes: indexesOf(after).filter(({ unique }) => unique) },
        ...(resource && { resource }),
      };
    });
  }

  /** What callers see of a change; of what it was before only what does not count others matters. */
  #seen(before: StoredRecord | undefined, after: StoredRecord | undefined): DomainChange['resource'] {
    const former = before && 'resource' in before ? before.resource : undefined;
    const resource = after && 'resource' in after ? present(this.#world, after.resource) : undefined;
    return former || resource ? { before: former, after: resource } : undefined;
  }
}
