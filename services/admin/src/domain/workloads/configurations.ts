import { AppError, err, type FieldViolation, ok, type Result } from '@outboard/core';
import type { KeptDocuments } from '@outboard/document-owner/documents';
import {
  type ConditionUpdateOf,
  findCondition,
  type Intent,
  type Name,
  type PublishedInterface,
  updateConditions,
  type Workload,
  type WorkloadConfiguration,
  type WorkloadConfigurationSpec,
} from '@outboard/model';
import { describe, firstUsers, inUse } from '@outboard/model/decide';
import { committed, type DecisionContext, intended, type ResourceChange } from '../resource-changes.js';
import { configurationKey, configurationObject } from './objects.js';
import type { ConfigurationFacts } from './report.js';
import { SchemaJudgements } from './schema-judgements.js';
import type { Workloads } from './workloads.js';

export type ConfigurationChange = ResourceChange<WorkloadConfiguration>;
type Update = ConditionUpdateOf<'WorkloadConfiguration'>;

interface ToldConfiguration extends ConfigurationFacts {
  readonly dpu: string | undefined;
}

const FIELD = 'spec.configuration';
const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;

/** What the interfaces of CNFs shall be configured as: held against what these publish, and part of their DPU's document. */
export class WorkloadConfigurations {
  readonly #configurations = new Map<string, WorkloadConfiguration>();
  /** What the DPU of its workload has told of each. */
  readonly #facts = new Map<string, ToldConfiguration>();
  readonly #judgements = new SchemaJudgements();
  /** The DPUs in whose documents each is. */
  readonly #places = new Map<string, readonly Name[]>();

  constructor(
    private readonly workloads: Pick<Workloads, 'find'>,
    private readonly documents: Pick<KeptDocuments, 'put'>,
  ) {}

  /** The workloads must be there. */
  load(configurations: Iterable<WorkloadConfiguration>): void {
    this.#configurations.clear();
    this.#places.clear();
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
  ): Result<readonly ConfigurationChange[], AppError> {
    const { tenant, name } = intent.metadata;
    const before = this.find(tenant, name);
    const refusal = this.#refusal(intent, before, context);
    if (refusal) return err(refusal);
    const after = this.#settled(intended(before, intent, context), context);
    return ok(this.#commit({ before, after }, context));
  }

  remove(before: WorkloadConfiguration, context: DecisionContext): readonly ConfigurationChange[] {
    return this.#commit({ before, after: undefined }, context);
  }

  /** Why a workload cannot be deleted; undefined: nothing configures it. */
  usersOf(workload: Workload): AppError | undefined {
    const users = this.#of(workload.metadata).map(describe);
    return users.length === 0 ? undefined : inUse(describe(workload), firstUsers(users), users.length);
  }

  /** What follows from changes of workloads. */
  follow(
    changes: readonly ResourceChange<Workload>[],
    context: DecisionContext,
  ): readonly ConfigurationChange[] {
    const touched = new Map<string, WorkloadConfiguration>();
    for (const { before, after } of changes) {
      const workload = after ?? before;
      if (workload) for (const each of this.#of(workload.metadata)) touched.set(each.metadata.uid, each);
    }
    for (const each of touched.values()) this.#publish(each);
    return this.#settle([...touched.values()], context);
  }

  /** Changes of workloads have been taken back. */
  restore(changes: readonly ResourceChange<Workload>[]): void {
    for (const { before } of changes)
      if (before) for (const each of this.#of(before.metadata)) this.#publish(each);
  }

  /** Whether a workload is configured, as a DPU tells that it moves to, as well as it is where it runs. */
  areTaken({ metadata }: Workload, facts: readonly ConfigurationFacts[]): boolean {
    return this.#of(metadata).every(
      ({ metadata: { uid, generation }, status }) =>
        status.appliedGeneration !== generation ||
        facts.some((each) => each.uid === uid && each.generation === generation && each.state === 'APPLIED'),
    );
  }

  /** What the DPU of a workload tells of its configurations; of others it says nothing. */
  report(
    { metadata, status }: Workload,
    facts: readonly ConfigurationFacts[],
    context: DecisionContext,
  ): readonly ConfigurationChange[] {
    const own = this.#of(metadata);
    for (const { metadata } of own) {
      const told = facts.find(({ uid }) => uid === metadata.uid);
      if (told) this.#facts.set(told.uid, { ...told, dpu: status.dpu });
    }
    return this.#settle(own, context);
  }

  #settle(
    configurations: readonly WorkloadConfiguration[],
    context: DecisionContext,
  ): readonly ConfigurationChange[] {
    return configurations.flatMap((before) =>
      this.#commit({ before, after: this.#settled(before, context) }, context),
    );
  }

  #refusal(
    { metadata, spec }: Intent<'WorkloadConfiguration', WorkloadConfigurationSpec>,
    before: WorkloadConfiguration | undefined,
    { now }: DecisionContext,
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
    const other = this.#of({ tenant: metadata.tenant, name: spec.workload }).find(
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
    const violations = published === undefined ? [] : this.#violationsOf(published, spec, now);
    return violations.length === 0 ? undefined : AppError.invalid(violations, { reason: 'SCHEMA_MISMATCH' });
  }

  #settled(configuration: WorkloadConfiguration, { now }: DecisionContext): WorkloadConfiguration {
    const { kind, metadata, spec, status } = configuration;
    const workload = this.workloads.find(metadata.tenant, spec.workload);
    const published = workload && publishedOf(workload, spec.interface);
    const dpu = workload?.status.dpu;
    const isElsewhere = dpu !== status.dpu;
    // What another DPU has told says nothing of this one.
    const told = this.#facts.get(metadata.uid);
    const facts = told?.dpu === dpu ? told : undefined;
    const applied = findCondition(status.conditions, 'Applied');
    // After a start nothing is known but what is stored, which is so until the DPU tells otherwise.
    const isKept = facts === undefined && !isElsewhere && applied?.observedGeneration === metadata.generation;
    const updates = [
      this.#plannedOf(configuration, published, now),
      ...(isKept ? [] : [appliedOf(configuration, facts)]),
    ];
    const conditions = updateConditions(kind, status.conditions, updates, metadata.generation, now);
    return {
      ...configuration,
      status: {
        ...status,
        dpu,
        ...(isElsewhere && { appliedGeneration: 0, interfaceVersion: '' }),
        ...(facts && {
          appliedGeneration: facts.appliedGeneration,
          interfaceVersion: facts.appliedGeneration > 0 ? facts.interfaceVersion : '',
        }),
        conditions,
      },
    };
  }

  #of(workload: { readonly tenant: string; readonly name: string }): WorkloadConfiguration[] {
    return [...this.#configurations.values()].filter(
      ({ metadata, spec }) => metadata.tenant === workload.tenant && spec.workload === workload.name,
    );
  }

  #commit(change: ConfigurationChange, context: DecisionContext): readonly ConfigurationChange[] {
    const real = committed([change], context);
    for (const each of real) this.#keep(each);
    return real;
  }

  #keep({ before, after }: ConfigurationChange): void {
    if (before) this.#configurations.delete(keyOf(before.metadata.tenant, before.metadata.name));
    if (after) {
      this.#configurations.set(keyOf(after.metadata.tenant, after.metadata.name), after);
      this.#publish(after);
    } else if (before) {
      this.#facts.delete(before.metadata.uid);
      this.#publish(before, []);
    }
  }

  /** Where its workload runs, and where that moves to: it has to be configured there before anybody calls it. */
  #publish(configuration: WorkloadConfiguration, places = this.#placesOf(configuration)): void {
    const { metadata, spec } = configuration;
    const key = configurationKey(configuration);
    const workload = this.workloads.find(metadata.tenant, spec.workload);
    for (const dpu of this.#places.get(metadata.uid) ?? [])
      if (!places.includes(dpu)) this.documents.put(dpu, key, undefined);
    if (workload)
      for (const dpu of places)
        this.documents.put(dpu, key, configurationObject(configuration, workload.metadata.uid));
    if (places.length > 0) this.#places.set(metadata.uid, places);
    else this.#places.delete(metadata.uid);
  }

  #violationsOf(
    { configuration }: PublishedInterface,
    { interface: name, configuration: value }: WorkloadConfigurationSpec,
    now: number,
  ): readonly FieldViolation[] {
    return configuration === undefined
      ? [{ field: 'spec.interface', description: `must take a configuration, which ${name} does not` }]
      : this.#judgements.violationsOf(configuration, value, FIELD, now);
  }

  #plannedOf(
    { spec }: WorkloadConfiguration,
    published: PublishedInterface | undefined,
    now: number,
  ): Update {
    if (published === undefined)
      return {
        type: 'Planned',
        reason: 'NotPublished',
        message: `${spec.workload} does not publish ${spec.interface} now`,
      };
    const [first] = this.#violationsOf(published, spec, now);
    return first === undefined
      ? { type: 'Planned', reason: 'Fits', message: `as ${spec.interface} ${published.version} has it` }
      : { type: 'Planned', reason: 'SchemaMismatch', message: `${first.field} ${first.description}` };
  }

  #placesOf({ metadata, spec }: WorkloadConfiguration): readonly Name[] {
    const { dpu, movingTo } = this.workloads.find(metadata.tenant, spec.workload)?.status ?? {};
    return [dpu, movingTo].filter((each) => each !== undefined);
  }
}

const publishedOf = ({ status }: Workload, name: string): PublishedInterface | undefined =>
  status.interfaces.find((each) => each.name === name);

function appliedOf({ metadata }: WorkloadConfiguration, facts: ConfigurationFacts | undefined): Update {
  if (facts === undefined || facts.generation !== metadata.generation)
    return { type: 'Applied', reason: 'Pending', message: `generation ${metadata.generation} is on its way` };
  if (facts.state === 'APPLIED')
    return { type: 'Applied', reason: 'Taken', message: `generation ${facts.generation}` };
  return facts.state === 'REFUSED'
    ? { type: 'Applied', reason: 'Refused', message: facts.message }
    : { type: 'Applied', reason: 'Waiting', message: facts.message };
}
