import { type Dpu, type DpuFunction, type FunctionPool, isSchedulable, type Name } from '@outboard/model';
import { isMade } from './function-discovery.js';
import { isPresent } from './inventory-tables.js';

/** Functions of a pool that are there on one DPU. */
export interface PoolFunctions {
  readonly used: readonly DpuFunction[];
  readonly free: readonly DpuFunction[];
}

/** devlink numbers sub-functions as it is asked to; 0 is left to whoever begins there by habit. */
const FIRST_NUMBER = 1;

/**
 * The numbers of the sub-functions that a DPU shall have for each pool, in ascending order: what ports have bound, of the free ones as
 * many as twice the minimum or else the minimum, and the lowest unused numbers for what is missing. The same inventory gives the same
 * numbers, so that nothing has to be remembered until a worker has made them.
 *
 * @param pools in the order of their names.
 * @param functions all of the DPU.
 */
export function numbersOf(
  dpu: Dpu,
  pools: readonly FunctionPool[],
  functions: readonly DpuFunction[],
): Map<Name, number[]> {
  const taken = new Set(functions.map(({ status }) => status.sfNumber));
  const unused = function* (): Generator<number, never> {
    for (let number = FIRST_NUMBER; ; number++) if (!taken.has(number)) yield number;
  };
  const numbers = unused();
  const wanted = new Map<Name, number[]>();
  for (const { metadata, spec } of pools) {
    const own = functions.filter((each) => isMade(each) && each.spec.pool === metadata.name);
    const used = numbersIn(own.filter(({ status }) => status.claim));
    const free = numbersIn(own.filter(({ status }) => !status.claim));
    const kept = [...used, ...(free.length > 2 * spec.minimumFree ? free.slice(0, spec.minimumFree) : free)];
    const lacking = Math.min(spec.minimumFree - free.length, spec.maximum - kept.length);
    if (isSchedulable(dpu) && hasPhysicalFunction(spec.pfNumber, functions))
      for (let made = 0; made < lacking; made++) kept.push(numbers.next().value);
    wanted.set(
      metadata.name,
      kept.sort((left, right) => left - right),
    );
  }
  return wanted;
}

/** Whether a DPU shows the physical function: those that belong to it are known by its address. */
export const hasPhysicalFunction = (pfNumber: number, functions: readonly DpuFunction[]): boolean =>
  functions.some(
    ({ status }) => status.flavour === 'PCI_PF' && status.pfNumber === pfNumber && isPresent({ status }),
  );

const numbersIn = (functions: readonly DpuFunction[]): number[] =>
  functions.flatMap(({ status }) => status.sfNumber ?? []).sort((left, right) => left - right);
