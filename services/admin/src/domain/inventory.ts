import { AppError, equal, err, ok, type Result } from '@outboard/core';
import {
  type Claim,
  type ConditionUpdateOf,
  DEFAULT_POOL,
  type Dpu,
  type DpuFunction,
  type DpuSpec,
  type FunctionSpec,
  type FunctionStatus,
  findCondition,
  functionIdentityKey,
  type Intent,
  isConnected,
  kindOf,
  type Name,
  updateConditions,
} from '@outboard/model';
import { Claims } from './claims.js';
import type { FunctionFacts, InventoryFacts } from './inventory-report.js';
import { type InventoryResource, InventoryTables, serialNumberOf } from './inventory-tables.js';
import {
  checkPreconditions,
  type Existence,
  inUse,
  notFound,
  type Preconditions,
  serialNumberTaken,
} from './refusals.js';
import {
  committed,
  type DecisionContext,
  intended,
  newMetadata,
  type ResourceChange,
} from './resource-changes.js';

/** What decisions of the inventory change. */
export type InventoryChange = ResourceChange<InventoryResource>;

type Decision = Result<readonly InventoryChange[], AppError>;

/**
 * DPUs and their functions as this service has stored them. Every method decides against the present state, takes its
 * own decision over, and returns what has changed; refusals change nothing.
 */
export class Inventory {
  readonly #tables = new InventoryTables();
  readonly #claims: Claims;

  constructor(claims: Claims = new Claims()) {
    this.#claims = claims;
  }

  /** Forgets everything and takes these over, as at start. Claims stay: they are not this service's. */
  load(resources: Iterable<InventoryResource>): void {
    this.#tables.clear();
    for (const resource of resources) this.#tables.put(resource);
  }

  dpu(name: string): Dpu | undefined {
    return this.#tables.dpu(name);
  }

  dpus(): Iterable<Dpu> {
    return this.#tables.dpus();
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

  applyDpu(intent: Intent<'Dpu', DpuSpec>, context: DecisionContext, existence?: Existence): Decision {
    const { name } = intent.metadata;
    const before = this.#tables.dpu(name);
    const refusal = checkPreconditions(`dpu ${name}`, before, intent.metadata, existence);
    if (refusal) return err(refusal);
    const { serialNumber } = intent.spec;
    const registered = before?.status.serialNumber;
    if (registered !== undefined && serialNumber !== undefined && registered !== serialNumber) {
      const description = `must be ${registered}: that DPU is registered under this name`;
      return err(AppError.invalid([{ field: 'spec.serialNumber', description }]));
    }
    const twin = serialNumber && this.#tables.dpuWith(serialNumber);
    if (twin && twin !== before) return err(serialNumberTaken(twin.metadata.name));
    return ok(this.#commit([{ before, after: intended(before, intent, context) }], context));
  }

  applyFunction(
    intent: Intent<'Function', FunctionSpec>,
    context: DecisionContext,
    existence?: Existence,
  ): Decision {
    const { name } = intent.metadata;
    const before = this.#tables.function(name);
    const refusal = checkPreconditions(`function ${name}`, before, intent.metadata, existence);
    if (refusal) return err(refusal);
    return ok(this.#commit([{ before, after: intended(before, intent, context) }], context));
  }

  /** Refused while its worker reports, or while a port has bound one of its functions. Its functions go with it. */
  removeDpu(name: string, preconditions: Preconditions, context: DecisionContext): Decision {
    const dpu = this.#tables.dpu(name);
    const refusal = checkPreconditions(`dpu ${name}`, dpu, preconditions, 'update');
    if (refusal || !dpu) return err(refusal ?? notFound(`dpu ${name}`));
    if (isConnected(dpu)) {
      const message = `dpu ${name} is connected; stop its worker first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'DPU_CONNECTED' }));
    }
    const functions = this.#tables.functionsOf(name);
    const claimed = functions.filter((each) => each.status.claim);
    if (claimed.length > 0) return err(inUse(`dpu ${name}`, claimed));
    return ok(
      this.#commit(
        [dpu, ...functions].map((before) => ({ before, after: undefined })),
        context,
      ),
    );
  }

  /** Refused while the DPU has it, or while a port has bound it. */
  removeFunction(name: string, preconditions: Preconditions, context: DecisionContext): Decision {
    const found = this.#tables.function(name);
    const refusal = checkPreconditions(`function ${name}`, found, preconditions, 'update');
    if (refusal || !found) return err(refusal ?? notFound(`function ${name}`));
    if (found.status.claim) return err(inUse(`function ${name}`, [found]));
    if (isPresent(found)) {
      const message = `function ${name} exists on ${found.status.dpu}; remove it there first`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'FUNCTION_PRESENT' }));
    }
    return ok(this.#commit([{ before: found, after: undefined }], context));
  }

  /** A worker's report: registers the DPU, updates it, and makes its functions those that were discovered. */
  register(name: Name, facts: InventoryFacts, context: DecisionContext): Decision {
    const before = this.#tables.dpu(name);
    const twin = this.#tables.dpuWith(facts.serialNumber);
    if (twin && twin !== before) return err(serialNumberTaken(twin.metadata.name));
    const expected = before && serialNumberOf(before);
    if (expected !== undefined && expected !== facts.serialNumber) {
      const message = `dpu ${name} has serial number ${expected}, not ${facts.serialNumber}`;
      return err(new AppError('PERMISSION_DENIED', message, { reason: 'SERIAL_NUMBER_MISMATCH' }));
    }
    const changes = [
      registration(before, name, facts, context),
      ...this.#registerFunctions(name, facts, context),
    ];
    return ok(this.#commit(changes, context));
  }

  /** Its worker holds its lease, or does not any more. */
  setConnected(name: string, connected: boolean, context: DecisionContext): readonly InventoryChange[] {
    const before = this.#tables.dpu(name);
    if (!before) return [];
    const health: ConditionUpdateOf<'Dpu'> = connected
      ? healthOf(before.status)
      : {
          type: 'Healthy',
          reason: 'LeaseExpired',
          message: `lease of ${name} expired: its worker does not report`,
        };
    const { generation } = before.metadata;
    const conditions = updateConditions('Dpu', before.status.conditions, [health], generation, context.now);
    const after: Dpu = { ...before, status: { ...before.status, conditions } };
    return this.#commit([{ before, after }], context);
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
    return this.#commit(changes, context);
  }

  #registerFunctions(dpu: Name, facts: InventoryFacts, context: DecisionContext): InventoryChange[] {
    const changes: InventoryChange[] = [];
    const present = new Set<string>();
    for (const each of facts.functions) {
      present.add(each.name);
      const before = this.#tables.function(each.name);
      if (before && this.#isStoredAs(before, dpu, facts, each)) continue;
      changes.push({ before, after: this.#discovered(before, dpu, facts, each, context) });
    }
    for (const before of this.#tables.functionsOf(dpu)) {
      if (present.has(before.metadata.name)) continue;
      const after = vanished(before, dpu, context);
      changes.push({ before, after: isNeeded(after) ? after : undefined });
    }
    return changes;
  }

  /**
   * Whether a function is what was discovered, so that nothing has to be made of it: every report tells all functions of
   * a DPU, and few of them have changed.
   */
  #isStoredAs(
    { metadata, status }: DpuFunction,
    dpu: Name,
    { serialNumber }: InventoryFacts,
    { name: _, ...discovered }: FunctionFacts,
  ): boolean {
    const claim = this.#claims.holderOf(functionIdentityKey({ serialNumber, ...discovered }));
    return (
      status.dpu === dpu &&
      status.serialNumber === serialNumber &&
      sameClaim(status.claim, claim) &&
      (Object.keys(discovered) as (keyof typeof discovered)[]).every((field) =>
        equal(status[field], discovered[field]),
      ) &&
      findCondition(status.conditions, 'Healthy')?.reason === 'Discovered' &&
      status.conditions.every(({ observedGeneration }) => observedGeneration === metadata.generation)
    );
  }

  #discovered(
    before: DpuFunction | undefined,
    dpu: Name,
    { serialNumber }: InventoryFacts,
    { name, ...discovered }: FunctionFacts,
    context: DecisionContext,
  ): DpuFunction {
    const base: DpuFunction = before ?? {
      kind: 'Function',
      metadata: newMetadata(name, {}, context),
      spec: { pool: DEFAULT_POOL },
      status: kindOf({ kind: 'Function' }).emptyStatus as FunctionStatus,
    };
    const { generation } = base.metadata;
    const conditions = updateConditions(
      'Function',
      base.status.conditions,
      [
        { type: 'Accepted', reason: 'Valid', message: 'valid' },
        { type: 'Healthy', reason: 'Discovered', message: `present on ${dpu}` },
      ],
      generation,
      context.now,
    );
    return {
      ...base,
      status: {
        ...base.status,
        ...discovered,
        dpu,
        serialNumber,
        claim: this.#claims.holderOf(functionIdentityKey({ serialNumber, ...discovered })),
        observedGeneration: generation,
        conditions,
      },
    };
  }

  #commit(changes: readonly InventoryChange[], context: DecisionContext): readonly InventoryChange[] {
    const real = committed(changes, context);
    for (const change of real) this.#keep(change);
    return real;
  }

  #keep({ before, after }: InventoryChange): void {
    if (after) this.#tables.put(after);
    else if (before) this.#tables.remove(before.kind, before.metadata.name);
  }
}

/** Its DPU shows it. */
const isPresent = ({ status }: DpuFunction): boolean => status.state !== undefined;

/** One that its DPU shows no more is kept for its holder, and for what a caller has said of it: it may come back. */
const isNeeded = (found: DpuFunction): boolean =>
  isPresent(found) ||
  found.status.claim !== undefined ||
  found.spec.pool !== DEFAULT_POOL ||
  Object.keys(found.metadata.labels).length > 0;

/** What a DPU whose worker reports is. */
const healthOf = ({ underlay }: Pick<Dpu['status'], 'underlay'>): ConditionUpdateOf<'Dpu'> =>
  underlay
    ? { type: 'Healthy', reason: 'LeaseRenewed', message: 'worker reports' }
    : { type: 'Healthy', reason: 'UnderlayUnknown', message: 'worker reports, but finds no underlay' };

/** A DPU as its worker has just told. */
function registration(
  before: Dpu | undefined,
  name: Name,
  { functions, host, ...told }: InventoryFacts,
  context: DecisionContext,
): InventoryChange {
  const base: Dpu = before ?? {
    kind: 'Dpu',
    metadata: newMetadata(name, {}, context),
    spec: { serialNumber: undefined, host },
    status: kindOf({ kind: 'Dpu' }).emptyStatus as Dpu['status'],
  };
  const { generation } = base.metadata;
  const conditions = updateConditions(
    'Dpu',
    base.status.conditions,
    [{ type: 'Accepted', reason: 'Valid', message: 'valid' }, healthOf(told)],
    generation,
    context.now,
  );
  const status = {
    ...base.status,
    ...told,
    functions: functions.length,
    observedGeneration: generation,
    conditions,
  };
  return { before, after: { ...base, status } };
}

const vanished = (before: DpuFunction, dpu: Name, context: DecisionContext): DpuFunction => ({
  ...before,
  status: {
    ...before.status,
    state: undefined,
    opState: undefined,
    representor: undefined,
    conditions: updateConditions(
      'Function',
      before.status.conditions,
      [{ type: 'Healthy', reason: 'FunctionVanished', message: `no longer present on ${dpu}` }],
      before.metadata.generation,
      context.now,
    ),
  },
});

const sameClaim = (left: Claim | undefined, right: Claim | undefined): boolean =>
  left?.tenant === right?.tenant && left?.kind === right?.kind && left?.name === right?.name;
