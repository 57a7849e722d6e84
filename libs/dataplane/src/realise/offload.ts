import type { Problems } from '@outboard/core';

export const HARDWARE_OFFLOAD = 'hardware-offload';

const OFFLOADS = ['PREFERRED', 'REQUIRED', 'NEVER'] as const;
/** Whether hardware may, must or must not take a port's traffic over. */
export type Offload = (typeof OFFLOADS)[number];

export function offloadOf(text: string, problems: Problems): Offload {
  const offload = text === '' ? 'PREFERRED' : OFFLOADS.find((each) => each === text);
  if (offload === undefined) problems.add('offload', `must be ${OFFLOADS.join(', ')}`);
  return offload ?? 'PREFERRED';
}

/** Why a port cannot be as it has to be; undefined: it can. */
export function offloadObstacle(
  { offload }: { readonly offload: string },
  lacks: ReadonlyMap<string, string>,
): string | undefined {
  const lacking = offload === 'REQUIRED' ? lacks.get(HARDWARE_OFFLOAD) : undefined;
  return lacking === undefined ? undefined : `cannot be in hardware: ${lacking}`;
}
