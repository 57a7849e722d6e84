import type { Propagation as PropagationMessage } from '@outboard/contracts';
import type { Problems } from '@outboard/core';
import { all, required } from './fields.js';
import { type Name, parseName } from './values.js';

/** How far something is known on the DPUs that it concerns. */
export interface Propagation {
  readonly applied: number;
  readonly total: number;
  /** At most 10. */
  readonly lagging: readonly Name[];
}

export function parsePropagation(
  message: PropagationMessage | undefined,
  problems: Problems,
): Propagation | undefined {
  if (message === undefined) return undefined;
  const lagging = all(
    message.lagging.map((name, index) =>
      required(problems, `status.propagated.lagging[${index}]`, name, parseName),
    ),
  );
  return lagging && { applied: message.applied, total: message.total, lagging };
}

/** The field of a status. */
export const propagationToMessage = (propagated: Propagation | undefined) =>
  propagated && { propagated: { ...propagated, lagging: [...propagated.lagging] } };
