import { equal } from '@outboard/core';
import {
  type Claim,
  type ConditionUpdateOf,
  DEFAULT_POOL,
  type DpuFunction,
  type FunctionStatus,
  findCondition,
  functionIdentityKey,
  kindOf,
  type Name,
  type SerialNumber,
  updateConditions,
} from '@outboard/model';
import type { Claims } from './claims.js';
import type { FunctionChanges, FunctionFacts, InventoryFacts } from './inventory-report.js';
import { type InventoryTables, isPresent } from './inventory-tables.js';
import { type DecisionContext, newMetadata, type ResourceChange } from './resource-changes.js';

/** The pool that a function belongs to which is new. */
export type PoolOf = (dpu: Name, sfNumber: number | undefined) => Name;

/** The functions of a DPU as its worker has found them: what is new, what is another now, what is there no more. */
export function discoverFunctions(
  tables: InventoryTables,
  claims: Claims,
  dpu: Name,
  facts: InventoryFacts,
  context: DecisionContext,
  poolOf: PoolOf,
): ResourceChange<DpuFunction>[] {
  const present = new Set<string>(facts.functions.map(({ name }) => name));
  const gone = tables.functionsOf(dpu).flatMap(({ metadata: { name } }) => (present.has(name) ? [] : [name]));
  return changeFunctions(tables, claims, dpu, { ...facts, changed: facts.functions, gone }, context, poolOf);
}

/** What follows from changes of the functions of a DPU: of all others nothing does. */
export function changeFunctions(
  tables: InventoryTables,
  claims: Claims,
  dpu: Name,
  { serialNumber, changed, gone }: FunctionChanges & { readonly serialNumber: SerialNumber },
  context: DecisionContext,
  poolOf: PoolOf,
): ResourceChange<DpuFunction>[] {
  const changes: ResourceChange<DpuFunction>[] = [];
  for (const each of changed) {
    const before = tables.function(each.name);
    if (before && isStoredAs(claims, before, dpu, serialNumber, each)) continue;
    changes.push({ before, after: discovered(claims, before, dpu, serialNumber, each, context, poolOf) });
  }
  for (const name of gone) {
    const before = tables.function(name);
    if (before === undefined) continue;
    const after = vanished(before, dpu, context);
    changes.push({ before, after: isNeeded(after) ? after : undefined });
  }
  return changes;
}

/**
 * Whether a function is what was discovered, so that nothing has to be made of it: every report tells all functions of
 * a DPU, and few of them have changed.
 */
function isStoredAs(
  claims: Claims,
  { metadata, status }: DpuFunction,
  dpu: Name,
  serialNumber: SerialNumber,
  { name: _, ...found }: FunctionFacts,
): boolean {
  const claim = claims.holderOf(functionIdentityKey({ serialNumber, ...found }));
  return (
    status.dpu === dpu &&
    status.serialNumber === serialNumber &&
    sameClaim(status.claim, claim) &&
    (Object.keys(found) as (keyof typeof found)[]).every((field) => equal(status[field], found[field])) &&
    findCondition(status.conditions, 'Healthy')?.reason === 'Discovered' &&
    status.conditions.every(({ observedGeneration }) => observedGeneration === metadata.generation)
  );
}

function discovered(
  claims: Claims,
  before: DpuFunction | undefined,
  dpu: Name,
  serialNumber: SerialNumber,
  { name, ...found }: FunctionFacts,
  context: DecisionContext,
  poolOf: PoolOf,
): DpuFunction {
  const base: DpuFunction = before ?? {
    kind: 'Function',
    metadata: newMetadata(name, context),
    spec: { pool: found.attachment === 'DPU' ? poolOf(dpu, found.sfNumber) : DEFAULT_POOL },
    status: kindOf({ kind: 'Function' }).emptyStatus as FunctionStatus,
  };
  const { generation } = base.metadata;
  const conditions = updateConditions(
    'Function',
    base.status.conditions,
    [{ type: 'Accepted', reason: 'Valid', message: 'valid' }, presentOn(dpu)],
    generation,
    context.now,
  );
  return {
    ...base,
    status: {
      ...base.status,
      ...found,
      dpu,
      serialNumber,
      claim: claims.holderOf(functionIdentityKey({ serialNumber, ...found })),
      observedGeneration: generation,
      conditions,
    },
  };
}

/** What a function is that its DPU shows. */
export const presentOn = (dpu: Name): ConditionUpdateOf<'Function'> => ({
  type: 'Healthy',
  reason: 'Discovered',
  message: `present on ${dpu}`,
});

/** Its worker makes it, for a pool. */
export const isMade = ({ status }: DpuFunction): boolean =>
  status.attachment === 'DPU' && status.sfNumber !== undefined;

/** One that its DPU shows no more is kept for its holder, and for what a caller has said of it: it may come back. */
export const isNeeded = (found: DpuFunction): boolean =>
  isPresent(found) ||
  found.status.claim !== undefined ||
  (found.spec.pool !== DEFAULT_POOL && !isMade(found)) ||
  Object.keys(found.metadata.labels).length > 0;

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

export const sameClaim = (left: Claim | undefined, right: Claim | undefined): boolean =>
  left?.tenant === right?.tenant && left?.kind === right?.kind && left?.name === right?.name;
