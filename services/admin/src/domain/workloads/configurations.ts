import { AppError, err, ok, type Result } from '@outboard/core';
import type { KeptDocuments } from '@outboard/document-owner/documents';
import { compileSchema } from '@outboard/json-schema';
import {
  type ConditionUpdateOf,
  type Intent,
  type PublishedInterface,
  updateConditions,
  type Workload,
  type WorkloadConfiguration,
  type WorkloadConfigurationSpec,
} from '@outboard/model';
import { checkPreconditions, type Existence, notFound, type Preconditions } from '../refusals.js';
import { committed, type DecisionContext, intended, type ResourceChange } from '../resource-changes.js';
import { configurationKey, configurationObject } from './objects.js';
import type { ConfigurationFacts } from './report.js';
import type { Workloads } from './workloads.js';

export type ConfigurationChange = ResourceChange<WorkloadConfiguration>;
type Update = ConditionUpdateOf<'WorkloadConfiguration'>;

const FIELD = 'spec.configuration';
const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;

/** What the interfaces of CNFs shall be configured as: held against what these publish, and part of their DPU's document. */
export class WorkloadConfigurations {
  readonly #configurations = new Map<string, WorkloadConfiguration>();
  readonly #facts = new Map<string, ConfigurationFacts>();

  constructor(
    private readonly workloads: Pick<Workloads, 'find'>,
    private readonly documents: Pick<KeptDocuments, 'put'>,
  ) {}

  /** The workloads must be there. */
  load(configurations: Iterable<WorkloadConfiguration>): void {
    this.#configurations.clear();
    for (const after of configurations) this.#keep({ before: undefined, after });
  }

  find(tenant: string, name: string): WorkloadConfiguration | undefined {
    return this.#configurations.get(keyOf(tenant, name));
  }

  undo(changes: readonly ConfigurationChange[]): void {
    for (const { before, after } of changes.toReversed()) this.#keep({ before: after, after: before });
  }

  apply(
    intent: Intent<'WorkloadConfiguration', WorkloadConfigurationSpec>,
    context: DecisionContext,
    existence?: Existence,
  ): Result<readonly ConfigurationChange[], AppError> {
    const { tenant, name } = intent.metadata;
    const before = this.find(tenant, name);
    const what = `workloadconfiguration ${tenant}/${name}`;
    const refusal =
      checkPreconditions(what, before, intent.metadata, existence) ?? this.#refusal(intent, before);
    if (refusal) return err(refusal);
    const after = this.#settled(intended(before, intent, context), context);
    return ok(this.#commit({ before, after }, context));
  }

  remove(
    tenant: string,
    name: string,
    preconditions: Preconditions,
    context: DecisionContext,
  ): Result<readonly ConfigurationChange[], AppError> {
    const before = this.find(tenant, name);
    const what = `workloadconfiguration ${tenant}/${name}`;
    const refusal = checkPreconditions(what, before, preconditions, 'update');
    if (refusal || !before) return err(refusal ?? notFound(what));
    return ok(this.#commit({ before, after: undefined }, context));
  }

  /** Why a workload cannot be deleted; undefined: nothing configures it. */
  usersOf(tenant: string, workload: string): AppError | undefined {
    const users = this.#of(tenant, workload).map(
      ({ metadata }) => `workloadconfiguration ${tenant}/${metadata.name}`,
    );
    if (users.length === 0) return undefined;
    return new AppError(
      'FAILED_PRECONDITION',
      `workload ${tenant}/${workload} is in use by ${users.length}: ${users.slice(0, 10).join(', ')}`,
      {
        reason: 'IN_USE',
        metadata: { total: `${users.length}`, users: users.slice(0, 10).join(', ') },
      },
    );
  }

  /** What follows from changes of workloads. */
  follow(
    changes: readonly ResourceChange<Workload>[],
    context: DecisionContext,
    facts: readonly ConfigurationFacts[] = [],
  ): readonly ConfigurationChange[] {
    for (const each of facts) this.#facts.set(each.uid, each);
    const touched = new Map<string, WorkloadConfiguration>();
    for (const { before, after } of changes) {
      const { tenant, name } = (after ?? before)?.metadata ?? {};
      if (tenant === undefined || name === undefined) continue;
      for (const each of this.#of(tenant, name)) touched.set(each.metadata.uid, each);
    }
    for (const { uid } of facts)
      for (const each of this.#configurations.values()) if (each.metadata.uid === uid) touched.set(uid, each);
    return [...touched.values()].flatMap((before) =>
      this.#commit({ before, after: this.#settled(before, context) }, context),
    );
  }

  #refusal(
    { metadata, spec }: Intent<'WorkloadConfiguration', WorkloadConfigurationSpec>,
    before: WorkloadConfiguration | undefined,
  ): AppError | undefined {
    const workload = this.workloads.find(metadata.tenant, spec.workload);
    if (workload === undefined)
      return AppError.invalid(
        [
          {
            field: 'spec.workload',
            description: `must name a Workload that exists: there is no ${spec.workload}`,
          },
        ],
        { reason: 'REFERENCE_NOT_FOUND' },
      );
    const other = this.#of(metadata.tenant, spec.workload).find(
      (each) => each.spec.interface === spec.interface && each.metadata.uid !== before?.metadata.uid,
    );
    if (other)
      return new AppError(
        'ALREADY_EXISTS',
        `workloadconfiguration ${other.metadata.name} configures interface ${spec.interface} of ${spec.workload}`,
        {
          reason: 'INTERFACE_TAKEN',
          metadata: { holder: other.metadata.name },
        },
      );
    const published = publishedOf(workload, spec.interface);
    const violations = published === undefined ? [] : violationsOf(published, spec);
    return violations.length === 0 ? undefined : AppError.invalid(violations, { reason: 'SCHEMA_MISMATCH' });
  }

  #settled(configuration: WorkloadConfiguration, { now }: DecisionContext): WorkloadConfiguration {
    const { kind, metadata, spec, status } = configuration;
    const workload = this.workloads.find(metadata.tenant, spec.workload);
    const published = workload && publishedOf(workload, spec.interface);
    const facts = this.#facts.get(metadata.uid);
    const updates = [plannedOf(configuration, published), appliedOf(configuration, facts)];
    const conditions = updateConditions(kind, status.conditions, updates, metadata.generation, now);
    const isTaken = facts?.appliedGeneration !== undefined && facts.appliedGeneration > 0;
    return {
      ...configuration,
      status: {
        ...status,
        dpu: workload?.status.dpu,
        ...(facts && {
          appliedGeneration: facts.appliedGeneration,
          interfaceVersion: isTaken ? facts.interfaceVersion : '',
        }),
        conditions,
      },
    };
  }

  #of(tenant: string, workload: string): WorkloadConfiguration[] {
    return [...this.#configurations.values()].filter(
      ({ metadata, spec }) => metadata.tenant === tenant && spec.workload === workload,
    );
  }

  #commit(change: ConfigurationChange, context: DecisionContext): readonly ConfigurationChange[] {
    const real = committed([change], context);
    for (const each of real) this.#keep(each);
    return real;
  }

  #keep({ before, after }: ConfigurationChange): void {
    if (before) {
      this.#configurations.delete(keyOf(before.metadata.tenant, before.metadata.name));
      const { dpu } = before.status;
      if (dpu !== undefined && dpu !== after?.status.dpu)
        this.documents.put(dpu, configurationKey(before), undefined);
      if (!after) this.#facts.delete(before.metadata.uid);
    }
    if (!after) return;
    this.#configurations.set(keyOf(after.metadata.tenant, after.metadata.name), after);
    const workload = this.workloads.find(after.metadata.tenant, after.spec.workload);
    const { dpu } = after.status;
    if (dpu !== undefined && workload)
      this.documents.put(dpu, configurationKey(after), configurationObject(after, workload.metadata.uid));
  }
}

const publishedOf = ({ status }: Workload, name: string): PublishedInterface | undefined =>
  status.interfaces.find((each) => each.name === name);

function violationsOf(published: PublishedInterface, spec: WorkloadConfigurationSpec) {
  if (published.configuration === undefined)
    return [
      { field: 'spec.interface', description: `must take a configuration, which ${spec.interface} does not` },
    ];
  const schema = compileSchema(published.configuration);
  return schema.ok ? schema.value.problemsOf(spec.configuration, FIELD) : schema.error.violations;
}

function plannedOf({ spec }: WorkloadConfiguration, published: PublishedInterface | undefined): Update {
  if (published === undefined)
    return {
      type: 'Planned',
      reason: 'NotPublished',
      message: `${spec.workload} does not publish ${spec.interface} now`,
    };
  const [first] = violationsOf(published, spec);
  return first === undefined
    ? { type: 'Planned', reason: 'Fits', message: `as ${spec.interface} ${published.version} has it` }
    : { type: 'Planned', reason: 'SchemaMismatch', message: `${first.field} ${first.description}` };
}

function appliedOf({ metadata }: WorkloadConfiguration, facts: ConfigurationFacts | undefined): Update {
  if (facts === undefined || facts.generation !== metadata.generation)
    return { type: 'Applied', reason: 'Pending', message: `generation ${metadata.generation} is on its way` };
  if (facts.state === 'APPLIED')
    return { type: 'Applied', reason: 'Taken', message: `generation ${facts.generation}` };
  return facts.state === 'REFUSED'
    ? { type: 'Applied', reason: 'Refused', message: facts.message }
    : { type: 'Applied', reason: 'Waiting', message: facts.message };
}
