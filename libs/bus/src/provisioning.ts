import { AppError, Problems } from '@outboard/core';
import type { StreamSpec } from './port.js';
import { overlaps } from './subject-patterns.js';

/** One field of a stream that is not as specified. */
export interface Difference {
  readonly field: string;
  /** `field: is A, should be B`. */
  readonly text: string;
  /** False where JetStream cannot change the field of an existing stream. */
  readonly changeable: boolean;
}

/** A stream as it is compared with its specification. */
export interface StreamPlan {
  readonly spec: StreamSpec;
  readonly exists: boolean;
  readonly differences: readonly Difference[];
}

/** What JetStream (2.9) refuses to change: only deleting the stream, with what is in it, would do. */
const UNCHANGEABLE: ReadonlySet<string> = new Set(['storage', 'retention']);

/** How an existing stream differs from its specification. */
export function differences(actual: StreamSpec, wanted: StreamSpec): Difference[] {
  const fields = Object.keys(wanted) as (keyof StreamSpec)[];
  return fields.flatMap((field) => {
    const [is, should] = [JSON.stringify(actual[field]), JSON.stringify(wanted[field])];
    if (is === should) return [];
    const text = `${field}: is ${is}, should be ${should}`;
    return [{ field, text, changeable: !UNCHANGEABLE.has(field) }];
  });
}

/** Why a set of streams cannot be provisioned, every reason at once; undefined when it can. */
export function provisioningProblems(
  plans: readonly StreamPlan[],
  mode: 'apply' | 'verify',
): AppError | undefined {
  const problems = new Problems();
  for (const [index, { spec, exists, differences: found }] of plans.entries()) {
    if (!exists && mode === 'verify') problems.add(spec.name, 'does not exist');
    for (const { field, text, changeable } of found) {
      if (mode === 'verify') problems.add(`${spec.name}.${field}`, text);
      else if (!changeable) problems.add(`${spec.name}.${field}`, `${text}; cannot be changed in place`);
    }
    for (const { spec: other } of plans.slice(0, index)) {
      const shared = spec.subjects.find((one) => other.subjects.some((two) => overlaps(one, two)));
      if (shared !== undefined)
        problems.add(`${spec.name}.subjects`, `${shared} overlaps with ${other.name}`);
    }
  }
  if (problems.total === 0) return undefined;
  const message =
    mode === 'verify' ? 'the streams are not as specified' : 'streams that cannot be made as specified';
  return new AppError('FAILED_PRECONDITION', message, {
    reason: 'STREAMS_DIFFER',
    violations: problems.violations,
    violationTotal: problems.total,
  });
}
