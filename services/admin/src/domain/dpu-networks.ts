import { AdminObjectSchema } from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import type { KeptDocuments } from '@outboard/document-owner/documents';
import {
  type DocumentChange,
  type DocumentReport,
  type ReportedProblem,
  SharedObject,
} from '@outboard/document-owner/documents';
import {
  type ConditionUpdateOf,
  type DpuNetworkConfiguration,
  type DpuNetworkConfigurationSpec,
  type Intent,
  type IpAddress,
  interfaceIp,
  type Name,
  updateConditions,
} from '@outboard/model';
import type { Inventory, Noted } from './inventory.js';
import { committed, type DecisionContext, intended, type ResourceChange } from './resource-changes.js';

type DpuNetworkChange = ResourceChange<DpuNetworkConfiguration>;
type Decision = Result<readonly DpuNetworkChange[], AppError>;

/** Key of the object in a DPU's document. */
const UNDERLAY_KEY = 'underlay';

/** The networks of DPUs themselves: decided against each other, part of their DPU's document, confirmed by its worker. */
export class DpuNetworks {
  readonly #configurations = new Map<Name, DpuNetworkConfiguration>();
  /** Sequence in which each DPU's document got its configuration as it is. */
  readonly #since = new Map<Name, number>();

  constructor(
    private readonly inventory: Pick<Inventory, 'dpu' | 'dpus'>,
    private readonly documents: KeptDocuments,
  ) {}

  clear(): void {
    this.#configurations.clear();
    this.#since.clear();
  }

  load(configuration: DpuNetworkConfiguration, revision: number): void {
    this.#keep({ before: undefined, after: configuration });
    this.#since.set(configuration.metadata.name, revision);
  }

  find(name: string): DpuNetworkConfiguration | undefined {
    return this.#configurations.get(name as Name);
  }

  /** Takes a decision back, nothing else having been decided since. */
  undo(changes: readonly DpuNetworkChange[]): void {
    for (const { before, after } of changes.toReversed()) this.#keep({ before: after, after: before });
  }

  apply(
    intent: Intent<'DpuNetworkConfiguration', DpuNetworkConfigurationSpec>,
    context: DecisionContext,
  ): Decision {
    const { name } = intent.metadata;
    const before = this.#configurations.get(name);
    const refusal = this.#checkAddresses(name, intent.spec);
    if (refusal) return err(refusal);
    const after = intended(before, intent, context);
    const isAnother = before?.metadata.generation !== after.metadata.generation;
    return ok(this.#commit({ before, after: isAnother ? this.#waiting(after, context) : after }, context));
  }

  remove(before: DpuNetworkConfiguration, context: DecisionContext): readonly DpuNetworkChange[] {
    return this.#commit({ before, after: undefined }, context);
  }

  /** The documents have changed so: what workers are asked for from then on. */
  asked(changes: readonly DocumentChange[]): void {
    for (const { dpu, sequence, upserts, deletes } of changes)
      if (deletes.includes(UNDERLAY_KEY) || upserts.some(({ key }) => key === UNDERLAY_KEY))
        this.#since.set(dpu, sequence);
  }

  /** What the worker of a DPU has made of it. */
  observe(report: DocumentReport, context: DecisionContext): readonly DpuNetworkChange[] {
    const before = this.#configurations.get(report.dpu);
    const told = this.#told(report);
    if (!before || !told) return [];
    const { problem } = told;
    const { generation } = before.metadata;
    const health = problem
      ? stateOf(problem, generation)
      : ({
          type: 'Applied',
          reason: 'Confirmed',
          message: `generation ${generation} is applied, read back and confirmed`,
        } as const);
    const confirmedGeneration = problem ? before.status.confirmedGeneration : generation;
    return this.#commit({ before, after: withHealth(before, health, context, confirmedGeneration) }, context);
  }

  /**
   * Why a DPU keeps the network of a configuration that was deleted, which has no status any more to say so in; without a
   * reason: it keeps none. Undefined: the report does not tell.
   */
  keptBy(report: DocumentReport): Pick<Noted, 'networkKept'> | undefined {
    if (this.#configurations.has(report.dpu)) return { networkKept: undefined };
    const told = this.#told(report);
    if (!told || told.problem?.isUnderWay) return undefined;
    return { networkKept: told.problem?.message };
  }

  /** What a report says of the network that is asked for; undefined: nothing. */
  #told(report: DocumentReport): { readonly problem: ReportedProblem | undefined } | undefined {
    // What was applied before it was asked for says nothing of it.
    if (this.documents.isPending(report.dpu)) return undefined;
    if (report.sequence < (this.#since.get(report.dpu) ?? 0)) return undefined;
    const problem = report.problems.find(({ key }) => key === UNDERLAY_KEY);
    // A list that was cut does not tell what is well.
    return !problem && report.problemTotal > report.problems.length ? undefined : { problem };
  }

  /** What is new, or another, waits for its DPU. */
  #waiting(configuration: DpuNetworkConfiguration, context: DecisionContext): DpuNetworkConfiguration {
    const { name, generation } = configuration.metadata;
    const health: ConditionUpdateOf<'DpuNetworkConfiguration'> = this.inventory.dpu(name)
      ? { type: 'Applied', reason: 'Applying', message: `${name} has not confirmed generation ${generation}` }
      : { type: 'Applied', reason: 'Pending', message: `no worker of ${name} has registered` };
    return withHealth(configuration, health, context);
  }

  /** Where tunnels can start, an address belongs to one DPU: by its configuration, or as its worker tells. */
  #checkAddresses(name: Name, spec: DpuNetworkConfigurationSpec): AppError | undefined {
    const own = this.#tunnelAddresses(name, spec);
    if (own.size === 0) return undefined;
    const problems = new Problems();
    const taken = (holder: Name, address: IpAddress): void => {
      const field = own.get(address);
      if (field) problems.add(field, `must not be ${address}, which is an underlay address of dpu ${holder}`);
    };
    for (const { metadata, status } of this.inventory.dpus()) {
      if (metadata.name === name) continue;
      const other = this.#configurations.get(metadata.name);
      const configured = other ? [...this.#tunnelAddresses(metadata.name, other.spec).keys()] : [];
      const told = status.underlay?.address;
      for (const address of new Set(told ? [...configured, told] : configured)) taken(metadata.name, address);
    }
    return problems.total > 0 ? problems.toError() : undefined;
  }

  /** Addresses on the underlay device of a DPU, as far as that is known, with their fields. */
  #tunnelAddresses(name: Name, { interfaces }: DpuNetworkConfigurationSpec): ReadonlyMap<IpAddress, string> {
    const underlayDevice = this.inventory.dpu(name)?.status.underlay?.device;
    return new Map(
      interfaces.flatMap(({ device, addresses }, index) =>
        device === underlayDevice
          ? addresses.map(
              (address, position) =>
                [interfaceIp(address), `spec.interfaces[${index}].addresses[${position}]`] as const,
            )
          : [],
      ),
    );
  }

  #commit(change: DpuNetworkChange, context: DecisionContext): readonly DpuNetworkChange[] {
    const real = committed([change], context);
    for (const each of real) this.#keep(each);
    return real;
  }

  #keep({ before, after }: DpuNetworkChange): void {
    const name = (after ?? before)?.metadata.name;
    if (name === undefined) return;
    if (after) this.#configurations.set(name, after);
    else this.#configurations.delete(name);
    this.documents.put(name, UNDERLAY_KEY, after && objectOf(after));
  }
}

function stateOf(
  { state, message, isUnderWay, isRolledBack }: ReportedProblem,
  generation: number,
): ConditionUpdateOf<'DpuNetworkConfiguration'> {
  const text = `generation ${generation}: ${message}`;
  if (isUnderWay) return { type: 'Applied', reason: 'Applying', message: text };
  if (isRolledBack) return { type: 'Applied', reason: 'RolledBack', message: text };
  return { type: 'Applied', reason: state === 'PENDING' ? 'Waiting' : 'Failed', message: text };
}

function withHealth(
  configuration: DpuNetworkConfiguration,
  health: ConditionUpdateOf<'DpuNetworkConfiguration'>,
  { now }: DecisionContext,
  confirmedGeneration = configuration.status.confirmedGeneration,
): DpuNetworkConfiguration {
  const { kind, metadata, status } = configuration;
  const conditions = updateConditions(kind, status.conditions, [health], metadata.generation, now);
  return { ...configuration, status: { ...status, confirmedGeneration, conditions } };
}

function objectOf({ kind, metadata, spec }: DpuNetworkConfiguration): SharedObject {
  const { tenant, name, uid, generation } = metadata;
  return SharedObject.of(AdminObjectSchema, UNDERLAY_KEY, {
    source: { kind, tenant, name },
    object: {
      case: 'underlayConfiguration',
      value: {
        uid,
        generation,
        interfaces: spec.interfaces.map(
          ({ device, mtu, adminState, addresses, exclusiveAddresses, master }) => ({
            device,
            ...(mtu !== undefined && { mtu }),
            ...(adminState !== undefined && { up: adminState === 'UP' }),
            addresses: [...addresses],
            exclusiveAddresses,
            master: master ?? '',
          }),
        ),
        routes: spec.routes.map(({ destination, gateway, device, metric }) => ({
          destination,
          gateway: gateway ?? '',
          device: device ?? '',
          metric,
        })),
        confirmTimeoutSeconds: spec.confirmTimeoutSeconds,
      },
    },
  });
}
