import type { Plan } from '../client.js';
import { printable } from '../failure.js';

/** Objects of one DPU that are listed; of the others the number is told. */
const MAX_OBJECTS = 20;

export type PlannedResult = 'created' | 'configured' | 'unchanged';

/** What applying a resource would do, in lines for people. */
export function formatPlan(name: string, result: PlannedResult, plan: Plan): readonly string[] {
  if (result === 'unchanged') return [`${name} would stay unchanged`];
  const lines = [`${name} would be ${result}`];
  for (const { dpu, upserts, deletes } of plan.documents) {
    const objects = [...upserts.map((key) => `set ${key}`), ...deletes.map((key) => `remove ${key}`)];
    lines.push(`  on ${dpu}: ${upserts.length} objects set, ${deletes.length} removed`);
    lines.push(...objects.slice(0, MAX_OBJECTS).map((object) => `    ${object}`));
    const rest = objects.length - MAX_OBJECTS;
    if (rest > 0) lines.push(`    and ${rest} more`);
  }
  if (plan.documents.length === 0) lines.push('  no DPU needs anything for it');
  return lines.map(printable);
}

/** A resource that needs others of the same call, so that it can be planned only after them. */
export const formatDependent = (name: string, result: PlannedResult, needed: readonly string[]): string =>
  printable(`${name} would be ${result} after ${needed.join(' and ')}; what DPUs need for it is known then`);
