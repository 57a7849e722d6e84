import { AppError, equal, err, ok, type Result } from '@outboard/core';
import {
  type ConditionUpdateOf,
  DEFAULT_LIFECYCLE,
  DEFAULT_POOL,
  type Dpu,
  type DpuFunction,
  type DpuSpec,
  type FunctionSpec,
  type Intent,
  isConnected,
  isRetired,
  kindOf,
  type Name,
  updateConditions,
} from '@outboard/model';
import { Claims } from './claims.js';
import {
  type Approval,
  completeDpu,
  healthOf,
  type Told,
  withCounts,
  withLifecycle,
} from './dpu-lifecycle.js';
import {
  changeFunctions,
  discoverFunctions,
  isNeeded,
  type PoolOf,
  presentOn,
  sameClaim,
} from './function-discovery.js';
import { type FunctionChanges, type InventoryFacts, MAX_FUNCTIONS } from './inventory-report.js';
import { type InventoryResource, InventoryTables, isPresent, serialNumberOf } from './inventory-tables.js';
import { claimedBy, retiredDpu, serialNumberTaken, unknownInventory } from './refusals.js';
import {
  committed,
  type DecisionContext,
  intended,
  newMetadata,
  type ResourceChange,
} from './resource-changes.js';

/** What decisions of the inventory change. */
export type InventoryChange = ResourceChange<InventoryResource>;

/** What others than its worker's inventory tell of a DPU: its workloads, and what they and its network have left there. */
export type Noted = Pick<Dpu['status'], 'usedCapacity' | 'workloads' | 'endingWorkloads' | 'networkKept'>;

type Decision = Result<readonly InventoryChange[], AppError>;

/**
 * DPUs and their functions as this service has stored them. Every method decides against the present state, takes its
 * own decision over, and returns what has changed; refusals change nothing.
 */
export class Inventory {
  readonly #tables = new InventoryTables();
  readonly #claims: Claims;

  readonly #approval: Approval;
  /** When the state of each DPU ends, wall clock, milliseconds. */
  readonly #deadlines = new Map<string, number>();
  /**
   * DPUs that may have other numbers of functions in use than their resources tell. A port is attached by two commits, and
   * a DPU has a large state: its numbers are written with what else becomes of it, or by `recount`.
   */
  readonly #uncounted = new Set<string>();
  #lingering: (dpu: Name) => readonly string[] = () => [];

  constructor(claims: Claims = new Claims(), approval: Approval = 'FIRST_TOUCH') {
    this.#claims = claims;
    this.#approval = approval;
  }

  /** Forgets everything and takes these over, as at start. Claims stay: they are not this service's. */
  load(resources: Iterable<InventoryResource>): void {
    this.#tables.clear();
    this.#deadlines.clear();
    for (const resource of resources) {
      this.#keep({ before: undefined, after: resource.kind === 'Dpu' ? completeDpu(resource) : resource });
      if (resource.kind === 'Dpu') this.#uncounted.add(resource.metadata.name);
    }
  }

  /** Whether `recount` may have something to write. */
  get isUncounted(): boolean {
    return this.#uncounted.size > 0;
  }

  /** Writes how many functions of DPUs are in use. */
  recount(context: DecisionContext): readonly InventoryChange[] {
    const dpus = [...this.#uncounted].flatMap((name) => this.#tables.dpu(name) ?? []);
    this.#uncounted.clear();
    return this.#commit(
      dpus.map((before) => ({ before, after: this.counted(before) })),
      context,
    );
  }

  /** A DPU as callers see it, with the functions that are in use now. */
  counted(dpu: Dpu): Dpu {
    return withCounts(dpu, this.#tables.claimedOf(dpu.metadata.name));
  }

  /** Who besides ports has to leave a DPU that is drained, in words. */
  drainsWith(lingering: (dpu: Name) => readonly string[]): void {
    this.#lingering = lingering;
  }

  dpu(name: string): Dpu | undefined {
    return this.#tables.dpu(name);
  }

  /** When the next state of a DPU ends, wall clock, milliseconds; undefined: none does. */
  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const deadline of this.#deadlines.values()) {
      if (next === undefined || deadline < next) next = deadline;
    }
    return next;
  }

  dpus(): Iterable<Dpu> {
    return this.#tables.dpus();
  }

  functionsOf(dpu: string): readonly DpuFunction[] {
    return this.#tables.functionsOf(dpu);
  }

  functions(): Iterable<DpuFunction> {
    return this.#tables.functions();
  }

  find(kind: string, name: string): InventoryResource | undefined {
    return kind === 'Dpu' ? this.#tables.dpu(name) : this.#tables.function(name);
  }

  /** Takes a decision back, nothing else having been decided since. */
  undo(changes: readonly InventoryChange[]): void {
    for (const { before, after } of changes.toReversed()) this.#keep({ before: after, after: before });
  }

  applyDpu(intent: Intent<'Dpu', DpuSpec>, context: DecisionContext): Decision {
    const { name } = intent.metadata;
    const before = this.#tables.dpu(name);
    const { serialNumber } = intent.spec;
    const registered = before?.status.serialNumber;
    if (registered !== undefined && serialNumber !== undefined && registered !== serialNumber) {
      const description = `must be ${registered}: that DPU is registered under this name`;
      return err(AppError.invalid([{ field: 'spec.serialNumber', description }]));
    }
    const twin = serialNumber && this.#tables.dpuWith(serialNumber);
    if (twin && twin !== before) return err(serialNumberTaken(twin.metadata.name));
    const refusal = intent.spec.approved === false ? this.#whileClaimed(name) : undefined;
    if (refusal) return err(refusal);
    const after = intended(before, intent, context);
    return ok(this.#commit(this.#alive(before, after, context), context));
  }

  applyFunction(intent: Intent<'Function', FunctionSpec>, context: DecisionContext): Decision {
    const before = this.#tables.function(intent.metadata.name);
    const after = intended(before, intent, context);
    const { status, metadata } = after;
    // Its worker tells of it again only when it has changed there.
    const updates = isPresent(after) && status.dpu !== undefined ? [presentOn(status.dpu)] : [];
    const { generation } = metadata;
    const conditions = updateConditions('Function', status.conditions, updates, generation, context.now);
    return ok(this.#commit([{ before, after: { ...after, status: { ...status, conditions } } }], context));
  }

  /** Refused while its worker reports, or while a port has bound one of its functions. Its functions go with it. */
  removeDpu(dpu: Dpu, context: DecisionContext): Decision {
    const { name } = dpu.metadata;
    if (isConnected(dpu) && !isRetired(dpu)) {
      const message = `dpu ${name} is connected; stop its worker first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'DPU_CONNECTED' }));
    }
    const refusal = this.#whileClaimed(name);
    if (refusal) return err(refusal);
    return ok(this.#commit(this.#gone(dpu), context));
  }

  /** Refused while the DPU has it, or while a port has bound it. */
  removeFunction(found: DpuFunction, context: DecisionContext): Decision {
    const { name } = found.metadata;
    if (found.status.claim) return err(claimedBy(`function ${name}`, [found]));
    if (isPresent(found)) {
      const message = `function ${name} exists on ${found.status.dpu}; remove it there first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'FUNCTION_PRESENT' }));
    }
    return ok(this.#commit([{ before: found, after: undefined }], context));
  }

  /** A worker's report: registers the DPU, updates it, and makes its functions those that were discovered. */
  register(
    name: Name,
    facts: InventoryFacts,
    context: DecisionContext,
    poolOf: PoolOf = () => DEFAULT_POOL,
  ): Decision {
    const before = this.#tables.dpu(name);
    const twin = this.#tables.dpuWith(facts.serialNumber);
    if (twin && twin !== before) return err(serialNumberTaken(twin.metadata.name));
    const expected = before && serialNumberOf(before);
    if (expected !== undefined && expected !== facts.serialNumber) {
      const message = `dpu ${name} has serial number ${expected}, not ${facts.serialNumber}`;
      return err(new AppError('PERMISSION_DENIED', message, { reason: 'SERIAL_NUMBER_MISMATCH' }));
    }
    if (before && isRetired(before)) return err(retiredDpu(name));
    // The functions first, as what is claimed of them belongs to the life of the DPU.
    const functions = this.#commit(
      discoverFunctions(this.#tables, this.#claims, name, facts, context, poolOf),
      context,
    );
    const after = registered(before, name, facts, context);
    return ok([...this.#commit(this.#alive(before, after, context), context), ...functions]);
  }

  /** A worker's report of how its functions have changed since the last; the DPU is as it was told of otherwise. */
  changeFunctions(
    name: Name,
    incarnation: string,
    changes: FunctionChanges,
    context: DecisionContext,
    poolOf: PoolOf = () => DEFAULT_POOL,
  ): Decision {
    const before = this.#tables.dpu(name);
    if (before && isRetired(before)) return err(retiredDpu(name));
    const { serialNumber } = before?.status ?? {};
    if (before?.status.incarnation !== incarnation || serialNumber === undefined)
      return err(unknownInventory(name));
    const decided = changeFunctions(
      this.#tables,
      this.#claims,
      name,
      { serialNumber, ...changes },
      context,
      poolOf,
    );
    const count = decided.reduce(
      (sum, { before: was, after: is }) => sum + presentIn(is) - presentIn(was),
      before.status.functions,
    );
    if (count > MAX_FUNCTIONS) {
      const description = `must not make the DPU have more than ${MAX_FUNCTIONS} functions`;
      return err(AppError.invalid([{ field: 'change.changed', description }]));
    }
    const functions = this.#commit(decided, context);
    const after = reported(before, { functions: count }, context);
    return ok([...this.#commit(this.#alive(before, after, context), context), ...functions]);
  }

  /** Its worker holds its lease, or does not any more. */
  setConnected(name: string, connected: boolean, context: DecisionContext): readonly InventoryChange[] {
    const before = this.#tables.dpu(name);
    if (!before) return [];
    const health: ConditionUpdateOf<'Dpu'> = connected
      ? healthOf(before)
      : {
          type: 'Healthy',
          reason: 'LeaseExpired',
          message: `lease of ${name} expired: its worker does not report`,
        };
    const { generation } = before.metadata;
    const conditions = updateConditions('Dpu', before.status.conditions, [health], generation, context.now);
    const after: Dpu = { ...before, status: { ...before.status, conditions } };
    return this.#commit(this.#alive(before, after, context), context);
  }

  /** Something is known of it that is not told with its inventory. */
  note(name: string, noted: Partial<Noted>, context: DecisionContext): readonly InventoryChange[] {
    const before = this.#tables.dpu(name);
    if (!before) return [];
    const after: Dpu = { ...before, status: { ...before.status, ...noted } };
    return this.#commit(this.#alive(before, after, context), context);
  }

  /** What follows for a DPU from what its worker tells, or from the time that has passed. */
  proceed(name: string, context: DecisionContext, told?: Told): readonly InventoryChange[] {
    const dpu = this.#tables.dpu(name);
    return dpu ? this.#commit(this.#alive(dpu, dpu, context, told), context) : [];
  }

  /** Ports have bound or released the functions with these identities (as `functionIdentityKey` gives them). */
  claimsChanged(identities: readonly string[], context: DecisionContext): readonly InventoryChange[] {
    const changes: InventoryChange[] = [];
    for (const identity of identities) {
      const claim = this.#claims.holderOf(identity);
      for (const before of this.#tables.functionsWith(identity)) {
        if (sameClaim(before.status.claim, claim)) continue;
        const after: DpuFunction = { ...before, status: { ...before.status, claim } };
        changes.push({ before, after: isNeeded(after) ? after : undefined });
      }
    }
    const functions = this.#commit(changes, context);
    const dpus = new Set(functions.flatMap(({ before }) => dpuOf(before) ?? []));
    return [...functions, ...[...dpus].flatMap((dpu) => this.proceed(dpu, context))];
  }

  /** Why a DPU has to stay; undefined: no function of it is claimed. */
  #whileClaimed(dpu: string): AppError | undefined {
    const claimed = this.#tables.claimedOf(dpu);
    return claimed.count > 0 ? claimedBy(`dpu ${dpu}`, claimed.first(claimed.count)) : undefined;
  }

  /** A change of a DPU with what it means for its life, which it may end. */
  #alive(before: Dpu | undefined, after: Dpu, { now }: DecisionContext, told?: Told): InventoryChange[] {
    const { name } = after.metadata;
    const workloads = after.spec.lifecycle.desired === 'READY' ? [] : this.#lingering(name);
    const remaining = { claimed: this.#tables.claimedOf(name), workloads };
    const alive = withLifecycle(after, remaining, { approval: this.#approval, told, now });
    if (!alive) return this.#gone(after);
    if (before && tellsNumbersOnly(before, alive)) {
      this.#uncounted.add(name);
      return [];
    }
    return [{ before, after: alive }];
  }

  #gone(dpu: Dpu): InventoryChange[] {
    const functions = this.#tables.functionsOf(dpu.metadata.name);
    return [dpu, ...functions].map((before) => ({ before, after: undefined }));
  }

  #commit(changes: readonly InventoryChange[], context: DecisionContext): readonly InventoryChange[] {
    const real = committed(changes, context);
    for (const change of real) this.#keep(change);
    return real;
  }

  #keep({ before, after }: InventoryChange): void {
    if (after) this.#tables.put(after);
    else if (before) this.#tables.remove(before.kind, before.metadata.name);
    const kept = after ?? before;
    if (kept?.kind !== 'Dpu') return;
    const deadline = after?.kind === 'Dpu' ? after.status.lifecycle?.deadline : undefined;
    if (deadline === undefined) this.#deadlines.delete(kept.metadata.name);
    else this.#deadlines.set(kept.metadata.name, Date.parse(deadline));
  }
}

/** A DPU as its worker has just told. */
function registered(
  before: Dpu | undefined,
  name: Name,
  { functions, host, ...told }: InventoryFacts,
  context: DecisionContext,
): Dpu {
  const base: Dpu = before ?? {
    kind: 'Dpu',
    metadata: newMetadata(name, context),
    spec: { serialNumber: undefined, host, approved: undefined, lifecycle: DEFAULT_LIFECYCLE },
    status: kindOf({ kind: 'Dpu' }).emptyStatus as Dpu['status'],
  };
  return reported(base, { ...told, functions: functions.length }, context);
}

/** A DPU of which its worker has just told this. */
function reported(base: Dpu, told: Partial<Dpu['status']>, context: DecisionContext): Dpu {
  const { generation } = base.metadata;
  const status = { ...base.status, ...told, observedGeneration: generation };
  const conditions = updateConditions(
    'Dpu',
    base.status.conditions,
    [{ type: 'Accepted', reason: 'Valid', message: 'valid' }, healthOf({ status })],
    generation,
    context.now,
  );
  return { ...base, status: { ...status, conditions } };
}

/** Whether nothing is news but how many of its functions are in use. */
function tellsNumbersOnly(before: Dpu, { status, ...after }: Dpu): boolean {
  const { usedFunctions, freeFunctions } = before.status;
  return equal(before, { ...after, status: { ...status, usedFunctions, freeFunctions } });
}

const presentIn = (found: DpuFunction | undefined): number => (found && isPresent(found) ? 1 : 0);

/** The DPU of a function. */
const dpuOf = (resource: InventoryResource | undefined): string | undefined =>
  resource?.kind === 'Function' ? resource.status.dpu : undefined;
