import type { Driver, Operation, OperationResult, Spec } from '../driver.js';
import { AGAIN, stepsOf } from '../handlers.js';

/** What to do with an operation instead of passing it on; undefined: pass it on. */
export type Fault<S extends Spec> = (operation: Operation<S>, count: number) => OperationResult | undefined;

export interface FaultyDriver<S extends Spec> extends Driver<S> {
  /** Asked for every operation from now on, with how many there were before it. */
  setFault(fault: Fault<S> | undefined): void;
}

/**
 * A driver behind which another one stands, and which on demand fails operations or only pretends to carry them out:
 * whatever uses drivers must get along with that. Everything else is the other's.
 */
export function faultyDriver<S extends Spec>(driver: Driver<S>): FaultyDriver<S> {
  let fault: Fault<S> | undefined;
  let count = 0;
  return {
    name: driver.name,
    order: driver.order,
    ...(driver.readBackBefore && { readBackBefore: driver.readBackBefore }),
    ...(driver.together && { together: driver.together }),
    ...(driver.atOnce && { atOnce: driver.atOnce }),
    ...(driver.parts && { parts: driver.parts }),
    slowToRemove: driver.slowToRemove,
    ...(driver.inProcess && { inProcess: driver.inProcess }),
    ...(driver.sections && { sections: driver.sections }),
    ...(driver.view && { view: driver.view }),
    capabilities: () => driver.capabilities(),
    underlay: () => driver.underlay(),
    functions: () => driver.functions(),
    realise: (key, object, resolve, isUp) => driver.realise(key, object, resolve, isUp),
    observe: (scope) => driver.observe(scope),
    ruleCounters: () => driver.ruleCounters(),
    ...(driver.prepare && { prepare: (objects) => driver.prepare?.(objects) }),
    watch: (onChange) => driver.watch(onChange),
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    setFault(next) {
      fault = next;
      count = 0;
    },
    async apply(operations) {
      if (fault === undefined) return driver.apply(operations);
      const results: OperationResult[] = [];
      // One by one, so that what is faked does not change what the rest of a batch meets; what is one step, as one.
      for (const step of stepsOf(driver, operations)) results.push(...(await applyStep(step)));
      return results;
    },
  };

  async function applyStep(operations: readonly Operation<S>[]): Promise<readonly OperationResult[]> {
    const faked = operations.map((operation) => fault?.(operation, count++));
    if (faked.some((result) => result !== undefined && result.kind !== 'done'))
      return faked.map((result) => result ?? AGAIN);
    const rest = await driver.apply(operations.filter((_, index) => faked[index] === undefined));
    let next = 0;
    return faked.map((result) => result ?? rest[next++] ?? AGAIN);
  }
}
