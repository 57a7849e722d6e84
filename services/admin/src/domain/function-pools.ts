import { AdminObjectSchema } from '@outboard/contracts';
import { type AppError, equal, err, ok, type Result } from '@outboard/core';
import type { KeptDocuments } from '@outboard/document-owner/documents';
import { SharedObject } from '@outboard/document-owner/documents';
import {
  type ConditionUpdateOf,
  DEFAULT_POOL,
  type Dpu,
  type DpuFunction,
  type FunctionPool,
  type FunctionPoolSpec,
  type Intent,
  isAdmitted,
  type Name,
  SYSTEM_TENANT,
  selectsLabels,
  updateConditions,
} from '@outboard/model';
import { describe } from '@outboard/model/decide';
import { isMade } from './function-discovery.js';
import type { Inventory, InventoryChange } from './inventory.js';
import { hasPhysicalFunction, numbersOf, type PoolFunctions } from './pool-numbers.js';
import { claimedBy } from './refusals.js';
import { committed, type DecisionContext, intended, type ResourceChange } from './resource-changes.js';

type PoolChange = ResourceChange<FunctionPool>;
type Decision = Result<readonly PoolChange[], AppError>;

/** DPUs that are named in a condition. */
const LISTED_DPUS = 10;

/** Pools of functions: what workers have to make for them is part of their DPU's document. */
export class FunctionPools {
  readonly #pools = new Map<Name, FunctionPool>();
  /** Of each DPU: the sub-functions that its worker makes for each pool, by number. */
  readonly #made = new Map<Name, ReadonlyMap<Name, readonly number[]>>();

  constructor(
    private readonly inventory: Pick<Inventory, 'dpu' | 'dpus' | 'functionsOf'>,
    private readonly documents: Pick<KeptDocuments, 'put'>,
  ) {}

  /** Forgets everything and takes these over. The inventory must be there. */
  load(pools: Iterable<FunctionPool>): void {
    this.#pools.clear();
    this.#made.clear();
    for (const pool of pools)
      this.#pools.set(pool.metadata.name, {
        ...pool,
        spec: completeSpec(pool.spec),
      });
    for (const { metadata } of this.inventory.dpus()) this.#make(metadata.name);
  }

  find(name: string): FunctionPool | undefined {
    return this.#pools.get(name as Name);
  }

  undo(changes: readonly PoolChange[]): void {
    for (const { before, after } of changes.toReversed()) this.#keep({ before: after, after: before });
  }

  apply(intent: Intent<'FunctionPool', FunctionPoolSpec>, context: DecisionContext): Decision {
    const before = this.#pools.get(intent.metadata.name);
    const after = this.#counted(intended(before, intent, context), context);
    return ok(this.#commit({ before, after }, context));
  }

  remove(before: FunctionPool, context: DecisionContext): Decision {
    const bound = this.#dpusOf(before).flatMap((dpu) => this.#functions(before, dpu).used);
    if (bound.length > 0) return err(claimedBy(describe(before), bound));
    return ok(this.#commit({ before, after: undefined }, context));
  }

  /** The pool that a function belongs to which has just been found. */
  poolOf(dpu: Name, sfNumber: number | undefined): Name {
    for (const [pool, numbers] of this.#made.get(dpu) ?? []) {
      if (sfNumber !== undefined && numbers.includes(sfNumber)) return pool;
    }
    return DEFAULT_POOL;
  }

  /** What follows for pools from changes of DPUs and functions. */
  follow(changes: readonly InventoryChange[], context: DecisionContext): readonly PoolChange[] {
    if (this.#pools.size === 0) return [];
    const dpus = dpusOf(changes);
    for (const dpu of dpus) this.#make(dpu);
    if (dpus.size === 0) return [];
    return [...this.#pools.values()].flatMap((before) =>
      this.#commit({ before, after: this.#counted(before, context) }, context),
    );
  }

  /** Changes of the inventory have been taken back. */
  restore(changes: readonly InventoryChange[]): void {
    for (const dpu of dpusOf(changes)) this.#make(dpu);
  }

  #commit(change: PoolChange, context: DecisionContext): readonly PoolChange[] {
    const changes = committed([change], context);
    for (const each of changes) this.#keep(each);
    return changes;
  }

  #keep({ before, after }: PoolChange): void {
    if (after) this.#pools.set(after.metadata.name, after);
    else if (before) this.#pools.delete(before.metadata.name);
    if (before?.spec === after?.spec) return;
    const places = new Set([before, after].flatMap((pool) => (pool ? this.#dpusOf(pool) : [])));
    for (const { metadata } of places) this.#make(metadata.name);
  }

  /** The objects of all pools in the document of a DPU, as they shall be now. */
  #make(name: Name): void {
    const dpu = this.inventory.dpu(name);
    const pools = [...this.#pools.values()]
      .filter((pool) => dpu && pool.spec.attachment === 'DPU' && selects(pool, dpu))
      .sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
    const wanted = dpu ? numbersOf(dpu, pools, this.inventory.functionsOf(name)) : new Map<Name, number[]>();
    const before = this.#made.get(name) ?? new Map<Name, readonly number[]>();
    for (const pool of new Set([...before.keys(), ...wanted.keys()])) {
      const numbers = wanted.get(pool) ?? [];
      if (equal(numbers, before.get(pool) ?? [])) continue;
      const pfNumber = pools.find(({ metadata }) => metadata.name === pool)?.spec.pfNumber ?? 0;
      this.documents.put(
        name,
        keyOf(pool),
        numbers.length > 0 ? objectOf(pool, pfNumber, numbers) : undefined,
      );
    }
    this.#made.set(name, wanted);
  }

  #dpusOf(pool: FunctionPool): readonly Dpu[] {
    return [...this.inventory.dpus()].filter((dpu) => selects(pool, dpu));
  }

  #functions({ metadata, spec }: FunctionPool, dpu: Dpu): PoolFunctions {
    const used: DpuFunction[] = [];
    const free: DpuFunction[] = [];
    for (const each of this.inventory.functionsOf(dpu.metadata.name)) {
      if (each.spec.pool !== metadata.name || each.status.state === undefined) continue;
      if (spec.attachment === 'DPU' ? !isMade(each) : !isOfFlavour(each, spec.flavour)) continue;
      (each.status.claim ? used : free).push(each);
    }
    return { used, free };
  }

  /** A pool with what it has by now. */
  #counted(pool: FunctionPool, context: DecisionContext): FunctionPool {
    const dpus = this.#dpusOf(pool);
    const counts = dpus.map((dpu) => ({ dpu, ...this.#functions(pool, dpu) }));
    const used = counts.reduce((sum, each) => sum + each.used.length, 0);
    const free = counts.reduce((sum, each) => sum + each.free.length, 0);
    const { minimumFree, maximum, attachment, pfNumber, flavour } = pool.spec;
    const short = counts.filter((each) => each.free.length < minimumFree);
    const exhausted = short.filter((each) => each.used.length + each.free.length >= maximum);
    const lacking = short.filter(
      ({ dpu }) =>
        attachment === 'DPU' && !hasPhysicalFunction(pfNumber, this.inventory.functionsOf(dpu.metadata.name)),
    );
    const status = { ...pool.status, dpus: dpus.length, total: used + free, used, free };
    const health: ConditionUpdateOf<'FunctionPool'> =
      lacking.length > 0
        ? {
            type: 'Healthy',
            reason: 'PhysicalFunctionMissing',
            message: `pf${pfNumber} of ${namesOf(lacking)}`,
          }
        : exhausted.length > 0
          ? { type: 'Healthy', reason: 'Exhausted', message: namesOf(exhausted) }
          : short.length > 0
            ? {
                type: 'Healthy',
                reason: attachment === 'HOST' ? 'HostFunctionsMissing' : 'BelowMinimum',
                message:
                  attachment === 'HOST' && flavour ? `${flavour} of ${namesOf(short)}` : namesOf(short),
              }
            : dpus.length > 0
              ? { type: 'Healthy', reason: 'Replenished', message: '' }
              : { type: 'Healthy', reason: 'NoDpu', message: '' };
    const { generation } = pool.metadata;
    const conditions = updateConditions('FunctionPool', status.conditions, [health], generation, context.now);
    return { ...pool, status: { ...status, conditions } };
  }
}

/** The spec of a pool as it is now, from one that a version may have stored which knew of no PF and no flavour. */
const completeSpec = (spec: FunctionPoolSpec): FunctionPoolSpec => ({
  ...spec,
  pfNumber: spec.pfNumber ?? 0,
  flavour: spec.attachment === 'DPU' ? 'VIRTUAL' : spec.flavour,
});

const objectOf = (pool: Name, pfNumber: number, sfNumbers: readonly number[]): SharedObject =>
  SharedObject.of(AdminObjectSchema, keyOf(pool), {
    source: { kind: 'FunctionPool', tenant: SYSTEM_TENANT, name: pool },
    object: { case: 'virtualFunctions', value: { pfNumber, sfNumbers: [...sfNumbers] } },
  });

function dpusOf(changes: readonly InventoryChange[]): ReadonlySet<Name> {
  const dpus = new Set<Name>();
  for (const { before, after } of changes) {
    for (const resource of [before, after]) {
      const dpu = resource?.kind === 'Dpu' ? resource.metadata.name : resource?.status.dpu;
      if (dpu !== undefined) dpus.add(dpu);
    }
  }
  return dpus;
}

const isOfFlavour = ({ status }: DpuFunction, flavour: FunctionPoolSpec['flavour']): boolean =>
  flavour === undefined || status.flavour === flavour;

const keyOf = (pool: Name): string => `virtualfunctions/${pool}`;

const selects = ({ spec }: FunctionPool, dpu: Dpu): boolean => {
  if (!isAdmitted(dpu)) return false;
  if (spec.dpu !== undefined) return spec.dpu === dpu.metadata.name;
  return spec.dpuSelector === undefined || selectsLabels(spec.dpuSelector, dpu.metadata.labels);
};

function namesOf(places: readonly { readonly dpu: Dpu }[]): string {
  const names = places.slice(0, LISTED_DPUS).map(({ dpu }) => dpu.metadata.name);
  const rest = places.length - names.length;
  return rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ');
}
