import { equal } from '@outboard/core';
import {
  computeConditions,
  type Dpu,
  type DpuFunction,
  type DpuNetworkConfiguration,
  type FunctionPool,
  type Intent,
  kindOf,
  type Metadata,
  type Name,
  SYSTEM_TENANT,
  type TenantName,
  type Uid,
  type Workload,
  type WorkloadConfiguration,
} from '@outboard/model';

export type AdminResource =
  | Dpu
  | DpuFunction
  | DpuNetworkConfiguration
  | FunctionPool
  | Workload
  | WorkloadConfiguration;

/** One resource before and after a decision; absent: it did not exist, or exists no more. */
export interface ResourceChange<Resource = AdminResource> {
  readonly before: Resource | undefined;
  readonly after: Resource | undefined;
}

/** What deciding needs from outside: who asks for time and names gets them from here. */
export interface DecisionContext {
  /** Revision of the store that the commit will have. */
  readonly revision: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly now: number;
  newUid(): Uid;
}

/** Metadata of a resource that is new. */
export const newMetadata = (
  name: Name,
  labels: Metadata['labels'],
  context: DecisionContext,
  tenant: TenantName = SYSTEM_TENANT,
): Metadata => ({
  tenant,
  name,
  uid: context.newUid(),
  labels,
  generation: 1,
  resourceVersion: '',
});

/** The resource as an intent wants it: a new generation if its spec is another, and accepted. */
export function intended<Resource extends AdminResource>(
  before: Resource | undefined,
  intent: Intent<Resource['kind'], Resource['spec']>,
  context: DecisionContext,
): Resource {
  const { name, labels, tenant } = intent.metadata;
  const specChanged = before === undefined || !equal(before.spec, intent.spec);
  const metadata = before
    ? { ...before.metadata, labels, generation: before.metadata.generation + (specChanged ? 1 : 0) }
    : newMetadata(name, labels, context, tenant);
  const status = before?.status ?? (kindOf(intent).emptyStatus as Resource['status']);
  const conditions = computeConditions(
    kindOf(intent).reasons,
    status.conditions,
    [{ type: 'Accepted', reason: 'Valid', message: 'valid' }],
    metadata.generation,
    context.now,
  );
  return {
    kind: intent.kind,
    metadata,
    spec: intent.spec,
    status: { ...status, observedGeneration: metadata.generation, conditions },
  } as Resource;
}

/** Those that change something, with the revision of their commit. */
export const committed = <Resource extends AdminResource>(
  changes: readonly ResourceChange<Resource>[],
  { revision }: DecisionContext,
): readonly ResourceChange<Resource>[] =>
  changes
    .filter(({ before, after }) => !equal(before, after))
    .map(({ before, after }) => ({ before, after: after && withRevision(after, revision) }));

const withRevision = <Resource extends AdminResource>(resource: Resource, revision: number): Resource => ({
  ...resource,
  metadata: { ...resource.metadata, resourceVersion: String(revision) },
});
