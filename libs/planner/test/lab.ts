import { expect } from '@jest/globals';
import { DocumentDigest } from '@outboard/contracts';
import { type AppError, type Result, unwrap } from '@outboard/core';
import type { DocumentChange, ReportedOffload, ReportedProblem } from '@outboard/document-owner/documents';
import {
  type AnyIntent,
  findKind,
  type MacAddress,
  type Name,
  NETWORK_TYPES,
  type Network,
  parseManifest,
  type SerialNumber,
  SYSTEM_TENANT,
  type Uid,
} from '@outboard/model';
import {
  type Command,
  type CommandDecision,
  type Context,
  type Decision,
  type DpuRecord,
  type DryRun,
  decide,
  dryRun,
  type FunctionRecord,
  hasOutdated,
  keyOf,
  observe,
  type PlannedIntent,
  type PlannedKind,
  type PortRecord,
  present,
  project,
  retell,
  type StoredRecord,
  takeDocumentChanges,
  World,
  type WorldOptions,
} from '../src/index.js';

export interface ApplyOptions {
  readonly tenant?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly existence?: 'create' | 'update';
}

/** The tenant of resources that name none. */
const homeOf = (kind: string): string => (findKind(kind)?.scope === 'system' ? SYSTEM_TENANT : 'acme');

type Documents = Map<string, Map<string, Uint8Array>>;

const textOf = (record: StoredRecord): string => Object.values(keyOf(record)).join('/');

/** The physical function of a DPU's test inventory, and its virtual functions. */
export const identityOf = (dpu: string, vfNumber: number | undefined) => ({
  serialNumber: `SN-${dpu}` as SerialNumber,
  pfMacAddress: '08:c0:eb:00:00:01' as MacAddress,
  vfNumber,
});

/**
 * A network-intent service without the service: a world, the rows that it would have stored, the documents that follow
 * from the changes it would have published, and workers that apply them when told.
 */
export class Lab {
  world: World;
  /** What the store would hold, as it comes back from JSON. */
  readonly rows = new Map<string, StoredRecord>();
  /** Every document as the sum of its changes. */
  readonly published: Documents = new Map();
  /** What the workers have applied: the published documents as of their last report. */
  readonly applied: Documents = new Map();
  /** Keys of the problems that each worker reported last. */
  readonly problems = new Map<string, ReadonlySet<string>>();
  readonly changes: DocumentChange[] = [];
  readonly decisions: Decision[] = [];
  revision = 1;
  now = Date.parse('2026-11-22T10:00:00Z');
  #uids = 0;
  #grouped = false;

  constructor(readonly options?: WorldOptions) {
    this.world = World.load([], this.revision, options);
  }

  get context(): Context {
    return {
      revision: this.revision + 1,
      now: this.now,
      newUid: () => {
        const number = (++this.#uids).toString(16).padStart(12, '0');
        return `00000000-0000-7000-8000-${number}` as Uid;
      },
    };
  }

  /** Several decisions in one commit. */
  group(work: () => void): void {
    this.#grouped = true;
    work();
    this.#grouped = false;
    this.commit();
  }

  intent(kind: string, name: string, spec: object, options: ApplyOptions = {}): AnyIntent {
    const { tenant = homeOf(kind), labels = {}, uid, resourceVersion } = options;
    const apiVersion = 'network.outboard.dev/v1alpha1';
    const metadata = { tenant, name, labels, uid, resourceVersion };
    return unwrap(parseManifest(JSON.parse(JSON.stringify({ apiVersion, kind, metadata, spec }))));
  }

  command(kind: PlannedKind, name: string, spec: object, options: ApplyOptions = {}): Command {
    const intent = this.intent(kind, name, spec, options) as PlannedIntent;
    const { existence } = options;
    return { operation: 'apply', intent, ...(existence && { existence }) };
  }

  decide(command: Command): Result<CommandDecision, AppError> {
    const result = decide(this.world, command, this.context);
    if (result.ok) this.#store(result.value);
    return result;
  }

  dryRun(command: Command): Result<DryRun, AppError> {
    const uids = this.#uids;
    const result = dryRun(this.world, command, this.context);
    this.#uids = uids;
    return result;
  }

  tryApply(
    kind: PlannedKind,
    name: string,
    spec: object,
    options?: ApplyOptions,
  ): Result<CommandDecision, AppError> {
    return this.decide(this.command(kind, name, spec, options));
  }

  apply(kind: PlannedKind, name: string, spec: object, options?: ApplyOptions): CommandDecision {
    return unwrap(this.tryApply(kind, name, spec, options));
  }

  tryDelete(kind: PlannedKind, name: string, tenant = homeOf(kind)): Result<CommandDecision, AppError> {
    return this.decide({ operation: 'delete', kind, tenant, name });
  }

  delete(kind: PlannedKind, name: string, tenant?: string): CommandDecision {
    return unwrap(this.tryDelete(kind, name, tenant));
  }

  network(name: string, tenant = 'acme'): Network {
    const network = this.world.networks.get(`${tenant}/${name}`);
    if (!network) throw new Error(`no network ${name}`);
    return network.record.resource;
  }

  port(name: string, tenant = 'acme'): PortRecord['resource'] {
    const record = this.rows.get(`Port/${tenant}/${name}`);
    if (record?.kind !== 'Port') throw new Error(`no port ${tenant}/${name}`);
    return record.resource;
  }

  /** A DPU whose tunnels end at 192.0.2.<number in its name>, or without an underlay. */
  dpu(name: string, fields: Partial<DpuRecord> = {}): Decision {
    const record: DpuRecord = {
      kind: 'Dpu',
      name: name as Name,
      serialNumber: identityOf(name, 0).serialNumber,
      labels: {},
      encapsulations: NETWORK_TYPES,
      tunnelEndpoint: `192.0.2.${name.replace(/\D/g, '')}` as NonNullable<DpuRecord['tunnelEndpoint']>,
      underlayMtu: 1500,
      hardwareOffload: false,
      trunks: true,
      reachable: true,
      schedulable: true,
      ...fields,
    };
    return this.#store(project(this.world, [{ operation: 'put', record }], this.context));
  }

  /** `representor` null: not known yet. */
  function(dpu: string, vfNumber: number, representor: string | null = `pf0vf${vfNumber}`): Decision {
    const record: FunctionRecord = {
      kind: 'Function',
      name: `${dpu}-pf0vf${vfNumber}` as Name,
      dpu: dpu as Name,
      identity: identityOf(dpu, vfNumber),
      representor: representor ?? undefined,
    };
    return this.#store(project(this.world, [{ operation: 'put', record }], this.context));
  }

  /** DPUs with `functions` virtual functions each. */
  fleet(names: readonly string[], functions: number): void {
    for (const name of names) {
      this.dpu(name);
      for (let vfNumber = 0; vfNumber < functions; vfNumber++) this.function(name, vfNumber);
    }
  }

  retire(kind: 'Dpu' | 'Function', name: string): Decision {
    if (kind === 'Dpu') this.applied.delete(name);
    return this.#store(
      project(this.world, [{ operation: 'remove', kind, name: name as Name }], this.context),
    );
  }

  /** The worker has applied everything that was published, except for these problems. */
  report(dpu: string, problems: readonly ReportedProblem[] = [], problemTotal = problems.length): Decision {
    if (this.world.dpus.has(dpu)) this.applied.set(dpu, new Map(this.published.get(dpu)));
    this.problems.set(dpu, new Set(problems.map(({ key }) => key)));
    const sequence = this.world.documents.sequence(dpu as Name);
    return this.reportSequence(dpu, sequence, problems, problemTotal);
  }

  reportSequence(
    dpu: string,
    sequence: number,
    problems: readonly ReportedProblem[] = [],
    problemTotal = problems.length,
    offload?: ReportedOffload,
  ): Decision {
    const report = { dpu: dpu as Name, sequence, problems, problemTotal, offload };
    return this.#store(observe(this.world, report, this.context));
  }

  /** The next part of what was too much for one decision; undefined: there is no more. */
  retell(): Decision | undefined {
    return hasOutdated(this.world) ? this.#store(retell(this.world, this.context)) : undefined;
  }

  /** The service starts again from its store. */
  restart(): void {
    this.revision++;
    this.world = World.load(this.rows.values(), this.revision, this.options);
  }

  /** The rows of a kind. */
  records<Kind extends StoredRecord['kind']>(kind: Kind): Extract<StoredRecord, { kind: Kind }>[] {
    const all = [...this.rows.values()];
    return all.filter((record): record is Extract<StoredRecord, { kind: Kind }> => record.kind === kind);
  }

  commit(): void {
    this.revision++;
    this.now += 1000;
    const heads = new Map(
      [...this.world.dpus.keys()].map((dpu) => [dpu, this.world.documents.sequence(dpu as Name)]),
    );
    for (const change of takeDocumentChanges(this.world, this.revision)) {
      this.changes.push(change);
      if (change.base !== (heads.get(change.dpu) ?? change.base) || change.sequence <= change.base) {
        throw new Error(
          `${change.dpu}: ${change.base} to ${change.sequence} does not follow ${heads.get(change.dpu)}`,
        );
      }
      const objects = this.published.get(change.dpu) ?? new Map<string, Uint8Array>();
      this.published.set(change.dpu, objects);
      for (const { key, object } of change.upserts) objects.set(key, object);
      for (const key of change.deletes) {
        if (!objects.delete(key)) throw new Error(`${change.dpu} has no ${key} to delete`);
      }
      const digest = DocumentDigest.of([...objects].map(([key, object]) => ({ key, object })));
      if (!digest.equals(change.digest))
        throw new Error(`${change.dpu}: the digest is not that of the document`);
    }
  }

  #store<Kept extends Decision>(decision: Kept): Kept {
    this.decisions.push(decision);
    for (const { before, after } of decision.changes) {
      // What is told of a port now is what is stored of it: else nobody would tell what it becomes.
      if (after?.kind === 'Port') expect(present(this.world, after.resource)).toEqual(after.resource);
      if (before && !after) this.rows.delete(textOf(before));
      if (after) this.rows.set(textOf(after), JSON.parse(JSON.stringify(after)) as StoredRecord);
    }
    if (!this.#grouped) this.commit();
    return decision;
  }
}
