import type { Driver, Operation, OperationResult, OvsSpec } from '@outboard/dataplane';
import type { Life } from './life.js';
import type { SeededRandom } from './seeded-random.js';

/** How bad a switch is: operations that fail, or seem to be carried out and are not. */
export interface Trouble {
  failing: number;
  lying: number;
}

/** A driver as a process sees it that may die, on a switch that fails. */
export function simulatedDriver(
  driver: Driver<OvsSpec>,
  life: Life,
  trouble: Trouble,
  random: SeededRandom,
): Driver<OvsSpec> {
  const apply = async (operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> => {
    const results: OperationResult[] = [];
    for (const operation of operations) {
      const failure = { code: 'EIO', message: 'the simulated switch fails' };
      if (random.chance(trouble.failing)) results.push({ kind: 'failed', error: failure });
      else if (random.chance(trouble.lying)) results.push({ kind: 'done' });
      else results.push(...(await life.step(() => driver.apply([operation]))));
    }
    return results;
  };
  return new Proxy(driver, {
    get(target, property) {
      if (property === 'apply') return apply;
      if (property === 'observe')
        return (scope: Parameters<typeof driver.observe>[0]) => life.step(() => driver.observe(scope));
      if (property === 'watch')
        return (onChange: Parameters<typeof driver.watch>[0]) =>
          driver.watch((change) => {
            if (!life.isOver) onChange(change);
          });
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
