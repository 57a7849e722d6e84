import { AdminObjectSchema } from '@outboard/contracts';
import { AppError, err, ok, type Result } from '@outboard/core';
import type { DocumentDomain } from '@outboard/document-owner';
import {
  type CompiledDocument,
  type DocumentChange,
  type DocumentHead,
  type DocumentReport,
  KeptDocuments,
  showDifferences,
} from '@outboard/document-owner/documents';
import {
  type AnyIntent,
  type AnyResource,
  checkUpdate,
  type DpuNetworkConfiguration,
  type FunctionPool,
  isAdmitted,
  kindOf,
  type Name,
  type Port,
  type Workload,
  type WorkloadConfiguration,
} from '@outboard/model';
import { checkPreconditions, notFound, targetOf } from '@outboard/model/decide';
import type {
  Command,
  DomainChange,
  DomainContext,
  DomainDecision,
  ResourceDomain,
} from '@outboard/resource-service';
import { DpuNetworks } from './dpu-networks.js';
import { FunctionPools } from './function-pools.js';
import type { Inventory, InventoryChange } from './inventory.js';
import type { InventoryResource } from './inventory-tables.js';
import type { AdminResource, ResourceChange } from './resource-changes.js';
import { type ConfigurationChange, WorkloadConfigurations } from './workloads/configurations.js';
import { WorkloadEndings } from './workloads/endings.js';
import { WorkloadPorts } from './workloads/port-facts.js';
import type { WorkloadFacts } from './workloads/report.js';
import { type WorkloadChange, Workloads } from './workloads/workloads.js';

/** A port as network-intent tells it; undefined: it is gone. */
export interface ToldPort {
  readonly tenant: string;
  readonly name: string;
  readonly port: Port | undefined;
}

/** Everything that this service decides on, and the documents that follow from it. */
export class AdminDomain implements ResourceDomain, DocumentDomain {
  readonly api = 'admin';
  readonly kinds = [
    'Dpu',
    'DpuNetworkConfiguration',
    'Function',
    'FunctionPool',
    'Workload',
    'WorkloadConfiguration',
  ] as const;
  readonly rowKinds = this.kinds;
  readonly #documents = new KeptDocuments();
  readonly #networks: DpuNetworks;
  readonly #pools: FunctionPools;
  readonly #workloadPorts = new WorkloadPorts();
  readonly #workloads: Workloads;
  readonly #configurations: WorkloadConfigurations;
  readonly #endings: WorkloadEndings;
  /** What was decided of told ports may not have been stored. */
  #isReloaded = true;

  constructor(readonly inventory: Inventory) {
    this.#networks = new DpuNetworks(inventory, this.#documents);
    this.#pools = new FunctionPools(inventory, this.#documents);
    this.#workloads = new Workloads(inventory, this.#documents, this.#workloadPorts);
    this.#configurations = new WorkloadConfigurations(this.#workloads, this.#documents);
    this.#endings = new WorkloadEndings(this.#documents);
    inventory.drainsWith((dpu) => this.#workloads.lingeringOn(dpu));
  }

  reload(records: Iterable<unknown>, revision: number): void {
    const resources = [...(records as Iterable<AdminResource>)];
    this.#isReloaded = true;
    this.#documents.clear();
    this.#networks.clear();
    this.inventory.load(resources.filter(isOfInventory));
    this.#pools.load(resources.filter((resource) => resource.kind === 'FunctionPool'));
    for (const resource of resources)
      if (resource.kind === 'DpuNetworkConfiguration') this.#networks.load(resource, revision);
    this.#workloads.load(resources.filter((resource) => resource.kind === 'Workload'));
    this.#configurations.load(resources.filter((resource) => resource.kind === 'WorkloadConfiguration'));
    this.#documents.loaded(this.#dpus(), revision);
    this.#endings.load(revision);
  }

  /** What the inventory has decided, with what follows from it, to be written. */
  followed(changes: readonly InventoryChange[], context: DomainContext): readonly DomainChange[] {
    return toDomainChanges([...changes, ...this.#consequences(changes, context)]);
  }

  /** Ports of network-intent as they are now: what follows for workloads. */
  portsTold(ports: readonly ToldPort[], context: DomainContext): readonly DomainChange[] {
    const news = ports.filter((each) => this.#isNews(each));
    if (news.length === 0 && !this.#isReloaded) return [];
    this.#isReloaded = false;
    for (const { tenant, name, port } of news)
      this.#workloadPorts.set(tenant, name, port, this.#workloads.names(tenant, name));
    const workloads = this.#workloads.settle(context);
    return toDomainChanges(this.#withCounts(this.#withConfigurations(workloads, context), context));
  }

  /** Whether one of these ports, as it is now, means something for workloads. */
  concernsWorkloads(ports: readonly ToldPort[]): boolean {
    return this.#isReloaded || ports.some((each) => this.#isNews(each));
  }

  #isNews({ tenant, name, port }: ToldPort): boolean {
    return this.#workloadPorts.isNews(tenant, name, port, this.#workloads.names(tenant, name));
  }

  workload(tenant: string, name: string): Workload | undefined {
    return this.#workloads.find(tenant, name);
  }

  configuration(tenant: string, name: string): WorkloadConfiguration | undefined {
    return this.#configurations.find(tenant, name);
  }

  /** What a DPU's worker tells of one of its workloads; of others it says nothing. */
  workloadReported(dpu: Name, facts: WorkloadFacts, context: DomainContext): readonly DomainChange[] {
    const workload = this.#workloads.withUid(facts.uid);
    if (workload?.status.movingTo === dpu) {
      if (!this.#configurations.areTaken(workload, facts.configurations)) return [];
      const moved = this.#workloads.arrived(workload, facts, context);
      const configured = moved.flatMap(({ after }) =>
        after ? this.#configurations.report(after, facts.configurations, context) : [],
      );
      return toDomainChanges([
        ...this.#withCounts(this.#withConfigurations(moved, context), context),
        ...configured,
      ]);
    }
    if (workload === undefined || workload.status.dpu !== dpu) return [];
    const reported = this.#workloads.report(workload, facts, context);
    return toDomainChanges([
      // A job that has ended is not waited for any more.
      ...this.#withCounts(reported, context),
      ...this.#configurations.report(workload, facts.configurations, context),
    ]);
  }

  /** The pool that a function belongs to which has just been found. */
  poolOf(dpu: Name, sfNumber: number | undefined): Name {
    return this.#pools.poolOf(dpu, sfNumber);
  }

  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError> {
    const decided = this.#decide(command, context);
    if (!decided.ok) return decided;
    const resource = this.#subject(command, decided.value);
    return ok({ resource, changes: toDomainChanges(decided.value) });
  }

  plan(command: Command, context: DomainContext): Result<unknown, AppError> {
    let decided: Result<readonly ResourceChange[], AppError> = ok([]);
    const differences = this.#documents.attempt(
      () => {
        decided = this.#decide(command, context);
      },
      () => {
        if (decided.ok) this.#undo(decided.value);
      },
    );
    if (!decided.ok) return decided;
    const changed = toDomainChanges(decided.value).map(({ key }) => `${key.kind}/${key.tenant}/${key.name}`);
    return ok({ changed, documents: showDifferences(differences, AdminObjectSchema) });
  }

  resourceOf(record: unknown): AnyResource {
    const resource = record as AdminResource;
    return resource.kind === 'Dpu' ? this.inventory.counted(resource) : resource;
  }

  /** One that is not approved, or retired, gets nothing. */
  knowsDpu(name: Name): boolean {
    const dpu = this.inventory.dpu(name);
    return dpu !== undefined && isAdmitted(dpu);
  }

  takeDocumentChanges(revision: number): readonly DocumentChange[] {
    const all = this.#documents.take(this.#dpus(), revision);
    // Also of a DPU that gets nothing at present: what it had applied before says nothing of its end.
    this.#endings.asked(all);
    const changes = all.filter(({ dpu }) => this.knowsDpu(dpu));
    this.#networks.asked(changes);
    return changes;
  }

  documentHead(dpu: Name): DocumentHead {
    return this.#documents.head(dpu);
  }

  compileDocument(dpu: Name): CompiledDocument {
    return this.#documents.compile(dpu);
  }

  observe(report: DocumentReport, context: DomainContext): readonly DomainChange[] {
    const { endingWorkloads = [] } = this.inventory.dpu(report.dpu)?.status ?? {};
    const noted = {
      ...this.#networks.keptBy(report),
      endingWorkloads: this.#endings.after(report, endingWorkloads),
    };
    const dpu = this.inventory.note(report.dpu, noted, context);
    return toDomainChanges([
      ...this.#networks.observe(report, context),
      ...dpu,
      ...this.#consequences(dpu, context),
    ]);
  }

  *#dpus(): Iterable<Name> {
    for (const { metadata } of this.inventory.dpus()) yield metadata.name;
  }

  #decide(command: Command, context: DomainContext): Result<readonly ResourceChange[], AppError> {
    const decided = this.#decideOne(command, context);
    if (!decided.ok) return decided;
    const inventory = decided.value.filter(isChangeOfInventory);
    const workloads = decided.value.filter(isWorkload);
    return ok([
      ...decided.value,
      ...this.#consequences(inventory, context),
      ...this.#withCounts(this.#configurations.follow(workloads, context), context, workloads),
    ]);
  }

  /** What follows from changes of the inventory, and what follows from that: a DPU is drained when its last workload leaves. */
  #consequences(changes: readonly InventoryChange[], context: DomainContext): readonly ResourceChange[] {
    if (changes.length === 0) return [];
    const followed = this.#workloadsFollow(changes, context);
    return [...this.#pools.follow(changes, context), ...this.#withCounts(followed, context)];
  }

  /** These changes, and what they mean for the DPUs of the workloads among them. */
  #withCounts(
    changes: readonly ResourceChange[],
    context: DomainContext,
    besides: readonly WorkloadChange[] = [],
  ): readonly ResourceChange[] {
    const counted = this.#count([...besides, ...changes], context);
    return [...changes, ...counted, ...this.#consequences(counted, context)];
  }

  /** What workloads have of their DPUs, where these changes make that another. */
  #count(changes: readonly ResourceChange[], context: DomainContext): readonly InventoryChange[] {
    const workloads = changes.filter(isWorkload);
    const dpus = workloads
      .flatMap(({ before, after }) => [before, after].flatMap((each) => each?.status ?? []))
      .flatMap(({ dpu, movingTo }) => [dpu, movingTo].filter((each) => each !== undefined));
    return [...new Set(dpus)].flatMap((dpu) => {
      const { endingWorkloads = [] } = this.inventory.dpu(dpu)?.status ?? {};
      const ending = this.#workloads.endingOn(dpu, endingWorkloads, workloads);
      return this.inventory.note(dpu, { ...this.#workloads.usedOn(dpu), endingWorkloads: ending }, context);
    });
  }

  /** A workload depends on which DPUs there are, and whether they are connected. */
  #workloadsFollow(changes: readonly InventoryChange[], context: DomainContext): readonly ResourceChange[] {
    if (!changes.some(({ before, after }) => (after ?? before)?.kind === 'Dpu')) return [];
    return this.#withConfigurations(this.#workloads.settle(context), context);
  }

  #withConfigurations(changes: readonly WorkloadChange[], context: DomainContext): readonly ResourceChange[] {
    return [...changes, ...this.#configurations.follow(changes, context)];
  }

  #decideOne(command: Command, context: DomainContext): Result<readonly ResourceChange[], AppError> {
    const target = targetOf(command);
    const before = this.#find(target.kind, target.metadata.tenant, target.metadata.name);
    const existence = command.operation === 'apply' ? command.existence : 'update';
    const refusal = checkPreconditions(target, before, existence);
    if (refusal) return err(refusal);
    if (command.operation === 'delete') return before ? this.#remove(before, context) : err(notFound(target));
    const forbidden = before && checkUpdate(before, command.intent);
    return forbidden ? err(forbidden) : this.#apply(command.intent, context);
  }

  #apply(intent: AnyIntent, context: DomainContext): Result<readonly ResourceChange[], AppError> {
    switch (intent.kind) {
      case 'Dpu':
        return this.inventory.applyDpu(intent, context);
      case 'Function':
        return this.inventory.applyFunction(intent, context);
      case 'DpuNetworkConfiguration':
        return this.#networks.apply(intent, context);
      case 'FunctionPool':
        return this.#pools.apply(intent, context);
      case 'Workload':
        return ok(this.#workloads.apply(intent, context));
      case 'WorkloadConfiguration':
        return this.#configurations.apply(intent, context);
      default:
        return err(new AppError('UNIMPLEMENTED', `${intent.kind} is not a kind of this API`));
    }
  }

  #remove(resource: AdminResource, context: DomainContext): Result<readonly ResourceChange[], AppError> {
    switch (resource.kind) {
      case 'Dpu':
        return this.inventory.removeDpu(resource, context);
      case 'Function':
        return this.inventory.removeFunction(resource, context);
      case 'DpuNetworkConfiguration':
        return ok(this.#networks.remove(resource, context));
      case 'FunctionPool':
        return this.#pools.remove(resource, context);
      case 'Workload': {
        const inUse = this.#configurations.usersOf(resource);
        return inUse ? err(inUse) : ok(this.#workloads.remove(resource, context));
      }
      case 'WorkloadConfiguration':
        return ok(this.#configurations.remove(resource, context));
    }
  }

  #undo(changes: readonly ResourceChange[]): void {
    const isNetwork = (change: ResourceChange): change is ResourceChange<DpuNetworkConfiguration> =>
      (change.after ?? change.before)?.kind === 'DpuNetworkConfiguration';
    // Configurations refer to workloads, and go before them.
    this.#configurations.undo(changes.filter(isConfiguration));
    this.#workloads.undo(changes.filter(isWorkload));
    this.#configurations.restore(changes.filter(isWorkload));
    this.#networks.undo(changes.filter(isNetwork));
    const inventory = changes.filter(isChangeOfInventory);
    this.inventory.undo(inventory);
    this.#pools.undo(changes.filter(isPool));
    this.#pools.restore(inventory);
  }

  #find(kind: string, tenant: string, name: string): AdminResource | undefined {
    switch (kind) {
      case 'Workload':
        return this.#workloads.find(tenant, name);
      case 'WorkloadConfiguration':
        return this.#configurations.find(tenant, name);
      case 'DpuNetworkConfiguration':
        return this.#networks.find(name);
      case 'FunctionPool':
        return this.#pools.find(name);
      default:
        return this.inventory.find(kind, name);
    }
  }

  /** What the command was about: changed, or as it stays when nothing had to be changed. */
  #subject(command: Command, changes: readonly ResourceChange[]): AnyResource {
    const { kind, metadata } = targetOf(command);
    const { tenant, name } = metadata;
    const change = changes.findLast(({ before, after }) => {
      const resource = after ?? before;
      return (
        resource?.kind === kind && resource.metadata.tenant === tenant && resource.metadata.name === name
      );
    });
    const resource = change ? (change.after ?? change.before) : this.#find(kind, tenant, name);
    if (!resource) throw new Error(`${kind} ${name} was decided on but is nowhere`);
    return resource;
  }
}

const isOfInventory = (resource: AdminResource): resource is InventoryResource =>
  resource.kind === 'Dpu' || resource.kind === 'Function';

function isChangeOfInventory(change: ResourceChange): change is InventoryChange {
  const resource = change.after ?? change.before;
  return resource !== undefined && isOfInventory(resource);
}

const isPool = (change: ResourceChange): change is ResourceChange<FunctionPool> =>
  (change.after ?? change.before)?.kind === 'FunctionPool';

const isWorkload = (change: ResourceChange): change is WorkloadChange =>
  (change.after ?? change.before)?.kind === 'Workload';

const isConfiguration = (change: ResourceChange): change is ConfigurationChange =>
  (change.after ?? change.before)?.kind === 'WorkloadConfiguration';

/** Rows and resources of decided changes; of a resource that was changed more than once, from the first to the last. */
export function toDomainChanges(changes: readonly ResourceChange[]): readonly DomainChange[] {
  const whole = new Map<string, ResourceChange>();
  for (const { before, after } of changes) {
    const resource = after ?? before;
    if (!resource) throw new Error('a change of nothing');
    const key = `${resource.kind}/${resource.metadata.tenant}/${resource.metadata.name}`;
    const first = whole.get(key);
    whole.set(key, { before: first ? first.before : before, after });
  }
  return [...whole.values()].flatMap(({ before, after }) => {
    const resource = after ?? before;
    // What was made and taken away at once is nothing.
    if (!resource) return [];
    const { tenant, name } = resource.metadata;
    return {
      key: { kind: resource.kind, tenant, name },
      // As the inventory is in memory, of the store only what no two rows may hold is wanted.
      record: after && {
        data: after,
        indexes: kindOf(after)
          .indexes(after)
          .filter(({ unique }) => unique),
      },
      resource: { before, after },
    };
  });
}
