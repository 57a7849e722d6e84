import type { KeptDocuments } from '@outboard/document-owner/documents';
import {
  type Dpu,
  type DpuCapacity,
  type EndingWorkload,
  type Intent,
  isConnected,
  type Name,
  updateConditions,
  type Workload,
  type WorkloadSpec,
} from '@outboard/model';
import type { Inventory } from '../inventory.js';
import { committed, type DecisionContext, intended, type ResourceChange } from '../resource-changes.js';
import { healthOf } from './health.js';
import { workloadKey, workloadObject } from './objects.js';
import { isFinished, lingeringText, place } from './place.js';
import type { WorkloadPorts } from './port-facts.js';
import type { WorkloadFacts } from './report.js';

export type WorkloadChange = ResourceChange<Workload>;

/** As many of those that a DPU has to end are known: one whose worker does not confirm must not fill its resource. */
const MAX_ENDING = 256;

const keyOf = (tenant: string, name: string): string => `${tenant}/${name}`;

/** Workloads: placed, part of the document of their DPU, and what its worker tells of them. */
export class Workloads {
  readonly #workloads = new Map<string, Workload>();
  readonly #byUid = new Map<string, string>();
  /** The generation that each one's DPU has told of last. */
  readonly #reported = new Map<string, number>();

  constructor(
    private readonly inventory: Pick<Inventory, 'dpu' | 'dpus'>,
    private readonly documents: Pick<KeptDocuments, 'put'>,
    private readonly ports: WorkloadPorts,
  ) {}

  load(workloads: Iterable<Workload>): void {
    this.#workloads.clear();
    this.#byUid.clear();
    for (const after of workloads) this.#keep({ before: undefined, after });
  }

  find(tenant: string, name: string): Workload | undefined {
    return this.#workloads.get(keyOf(tenant, name));
  }

  /** Whether one of them names that port. */
  names(tenant: string, port: string): boolean {
    for (const { metadata, spec } of this.#workloads.values())
      if (metadata.tenant === tenant && spec.interfaces.some((each) => each.port === port)) return true;
    return false;
  }

  withUid(uid: string): Workload | undefined {
    return this.#workloads.get(this.#byUid.get(uid) ?? '');
  }

  /** Takes a decision back, nothing else having been decided since. */
  undo(changes: readonly WorkloadChange[]): void {
    for (const { before, after } of changes.toReversed()) this.#keep({ before: after, after: before });
  }

  apply(intent: Intent<'Workload', WorkloadSpec>, context: DecisionContext): readonly WorkloadChange[] {
    const { tenant, name } = intent.metadata;
    const before = this.find(tenant, name);
    const changes = this.#commit(
      [{ before, after: this.#settled(intended(before, intent, context), context) }],
      context,
    );
    return [...changes, ...this.#settleOthers(changes, context)];
  }

  remove(before: Workload, context: DecisionContext): readonly WorkloadChange[] {
    const changes = this.#commit([{ before, after: undefined }], context);
    return [...changes, ...this.#settleOthers(changes, context)];
  }

  /** Something is different that all of them may depend on: DPUs, or ports. */
  settle(context: DecisionContext): readonly WorkloadChange[] {
    return [...this.#workloads.values()].flatMap((before) =>
      this.#commit([{ before, after: this.#settled(before, context) }], context),
    );
  }

  /** What the DPU tells that a workload is moving to: when it is ready there, that is its place. */
  arrived(before: Workload, facts: WorkloadFacts, context: DecisionContext): readonly WorkloadChange[] {
    const { status, metadata } = before;
    if (facts.state !== 'RUNNING' || !facts.ready || facts.generation !== metadata.generation) return [];
    // What it published is called, and has to be there as well.
    const isServed = (name: string): boolean => facts.interfaces.some((each) => each.name === name);
    if (!status.interfaces.every(({ name }) => isServed(name))) return [];
    const moved = { ...before, status: { ...status, dpu: status.movingTo, movingTo: undefined } };
    return this.#commit(
      [{ before, after: this.#told(this.#settled(moved, context), facts, context) }],
      context,
    );
  }

  /** What the DPU of a workload tells of it. */
  report(before: Workload, facts: WorkloadFacts, context: DecisionContext): readonly WorkloadChange[] {
    return this.#commit([{ before, after: this.#told(before, facts, context) }], context);
  }

  #told(workload: Workload, facts: WorkloadFacts, context: DecisionContext): Workload {
    this.#reported.set(facts.uid, facts.generation);
    const { state, since, restarts, lastTermination, isolation, interfaces, ready, message } = facts;
    const told = { state, since, restarts, lastTermination, isolation, interfaces, ready, message };
    return this.#judged({ ...workload, status: { ...workload.status, ...told } }, context);
  }

  #settleOthers(changes: readonly WorkloadChange[], context: DecisionContext): readonly WorkloadChange[] {
    // Room and ports that one gives up may be what others wait for.
    return changes.length === 0 ? [] : this.settle(context).filter(({ after }) => after !== undefined);
  }

  #settled(workload: Workload, context: DecisionContext): Workload {
    const { kind, metadata, status } = workload;
    const { dpu, movingTo, ports, planned } = place(workload, {
      dpus: this.inventory.dpus(),
      ports: this.ports,
      used: (name) => this.#used(name, workload),
      holderOf: (port) => this.#holderOf(port, workload),
    });
    const isElsewhere = dpu !== status.dpu;
    const conditions = updateConditions(kind, status.conditions, [planned], metadata.generation, context.now);
    // What the DPU before told says nothing of it any more.
    const told = isElsewhere
      ? {
          state: undefined,
          since: '',
          restarts: 0,
          isolation: undefined,
          interfaces: [],
          ready: false,
          message: '',
        }
      : {};
    return this.#judged(
      { ...workload, status: { ...status, ...told, dpu, movingTo, ports, conditions } },
      context,
    );
  }

  #judged(workload: Workload, { now }: DecisionContext): Workload {
    const { kind, metadata, status } = workload;
    const dpu = status.dpu === undefined ? undefined : this.inventory.dpu(status.dpu);
    const reported = this.#reported.get(metadata.uid) ?? metadata.generation;
    const health = healthOf(workload, reported, dpu !== undefined && isConnected(dpu));
    const conditions = updateConditions(kind, status.conditions, [health], metadata.generation, now);
    return { ...workload, status: { ...status, conditions } };
  }

  /** What those that are placed on a DPU have been promised; undefined: there are none. */
  usedOn(dpu: Name): Pick<Dpu['status'], 'usedCapacity' | 'workloads'> {
    const used = this.#used(dpu);
    const workloads = [...this.#workloads.values()].filter(({ status }) => status.dpu === dpu).length;
    return { usedCapacity: used.memoryMebibytes > 0 ? used : undefined, workloads };
  }

  /** Those that a drain of a DPU waits for. */
  lingeringOn(dpu: Name): readonly string[] {
    return [...this.#workloads.values()]
      .filter((workload) => workload.status.dpu === dpu && !isFinished(workload))
      .map(lingeringText)
      .sort();
  }

  /**
   * Those that a DPU has to end after these changes.
   *
   * @param before those that it had to end before.
   */
  endingOn(
    dpu: Name,
    before: readonly EndingWorkload[],
    changes: readonly WorkloadChange[],
  ): readonly EndingWorkload[] {
    const taken = changes.flatMap(({ before: workload }) =>
      workload && documentsWith(workload).includes(dpu) ? endingOf(workload) : [],
    );
    const ending = new Map([...before, ...taken].map((each) => [each.uid, each]));
    const isWanted = (uid: string): boolean => {
      const workload = this.withUid(uid);
      return workload !== undefined && documentsWith(workload).includes(dpu);
    };
    return [...ending.values()].filter(({ uid }) => !isWanted(uid)).slice(-MAX_ENDING);
  }

  #used(dpu: Name, besides?: Workload): DpuCapacity {
    const sum = { cpuMillicores: 0, memoryMebibytes: 0 };
    for (const { metadata, spec, status } of this.#workloads.values()) {
      if (!isPromised(status, dpu) || metadata.uid === besides?.metadata.uid) continue;
      sum.cpuMillicores += spec.resources.cpuMillicores;
      sum.memoryMebibytes += spec.resources.memoryMebibytes;
    }
    return sum;
  }

  /** Who had it first has it. */
  #holderOf(port: string, asking: Workload): string | undefined {
    const { tenant, uid } = asking.metadata;
    for (const { metadata, status } of this.#workloads.values())
      if (
        metadata.tenant === tenant &&
        metadata.uid !== uid &&
        status.ports.some((each) => each.port === port)
      )
        return metadata.name;
    return undefined;
  }

  #commit(changes: readonly WorkloadChange[], context: DecisionContext): readonly WorkloadChange[] {
    const real = committed(changes, context);
    for (const each of real) this.#keep(each);
    return real;
  }

  #keep({ before, after }: WorkloadChange): void {
    if (before) {
      this.#workloads.delete(keyOf(before.metadata.tenant, before.metadata.name));
      this.#byUid.delete(before.metadata.uid);
      if (!after) this.#reported.delete(before.metadata.uid);
      const kept = after ? documentsWith(after) : [];
      for (const dpu of documentsWith(before))
        if (!kept.includes(dpu)) this.documents.put(dpu, workloadKey(before), undefined);
    }
    if (!after) return;
    const { tenant, name, uid } = after.metadata;
    this.#workloads.set(keyOf(tenant, name), after);
    this.#byUid.set(uid, keyOf(tenant, name));
    for (const dpu of documentsWith(after))
      this.documents.put(dpu, workloadKey(after), workloadObject(after));
  }
}

/** The DPUs that have it in their documents: those that it was promised to, once it has its ports. */
const documentsWith = ({ spec, status }: Workload): readonly Name[] =>
  status.ports.length === spec.interfaces.length
    ? [status.dpu, status.movingTo].filter((each) => each !== undefined)
    : [];

const endingOf = ({ metadata: { tenant, name, uid } }: Workload): EndingWorkload => ({ tenant, name, uid });

const isPromised = ({ dpu, movingTo }: Workload['status'], name: Name): boolean =>
  dpu === name || movingTo === name;
