import { equal } from '@outboard/core';
import {
  type Dpu,
  type DpuFunction,
  type DpuNetworkConfiguration,
  type FunctionPool,
  type Intent,
  type Metadata,
  type Name,
  SYSTEM_TENANT,
  type Uid,
  type Workload,
  type WorkloadConfiguration,
} from '@outboard/model';
import { accepted, nextMetadata } from '@outboard/model/decide';

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

/** Metadata of a resource that a worker has told of. */
export const newMetadata = (name: Name, { newUid }: DecisionContext): Metadata => ({
  tenant: SYSTEM_TENANT,
  name,
  uid: newUid(),
  labels: {},
  generation: 1,
  resourceVersion: '',
});

/** The resource as an intent wants it: a new generation if its spec is another, and accepted. */
export function intended<Resource extends AdminResource>(
  before: Resource | undefined,
  intent: Intent<Resource['kind'], Resource['spec']>,
  context: DecisionContext,
): Resource {
  const metadata = nextMetadata(intent, before, context);
  // The revision is that of the commit, if there is one.
  const resourceVersion = before?.metadata.resourceVersion ?? '';
  return accepted<Resource>(intent, { ...metadata, resourceVersion }, before?.status, context.now);
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
