import {
  type Driver,
  faultyDriver,
  type ObservedObject,
  type Operation,
  type OvsSpec,
} from '@outboard/dataplane';
import type { Life } from './life.js';
import type { SeededRandom } from './seeded-random.js';

/** How bad a switch is: operations that fail, or seem to be carried out and are not. */
export interface Trouble {
  failing: number;
  lying: number;
}

export interface DriverWitness {
  /** Told of each operation that went wrong, by its sort. */
  readonly count: (what: string) => void;
  /** Told of everything that the worker has read back. */
  readonly saw: (objects: readonly ObservedObject<OvsSpec>[]) => void;
}

/** A driver as a process sees it that may die, on a switch that fails. */
export function simulatedDriver(
  driver: Driver<OvsSpec>,
  life: Life,
  trouble: Trouble,
  random: SeededRandom,
  witness: DriverWitness,
): Driver<OvsSpec> {
  const faulty = faultyDriver(mortalDriver(driver, life, witness));
  faulty.setFault(() => {
    const error = { code: 'EIO', message: 'the simulated switch fails' };
    if (random.chance(trouble.failing)) {
      witness.count('operation that failed');
      return { kind: 'failed', error };
    }
    if (!random.chance(trouble.lying)) return undefined;
    witness.count('operation that only pretended');
    return { kind: 'done' };
  });
  return faulty;
}

const mortalDriver = (driver: Driver<OvsSpec>, life: Life, witness: DriverWitness): Driver<OvsSpec> =>
  new Proxy(driver, {
    get(target, property) {
      if (property === 'apply')
        return (operations: readonly Operation<OvsSpec>[]) => life.step(() => driver.apply(operations));
      if (property === 'observe')
        return (scope: Parameters<typeof driver.observe>[0]) =>
          life.step(async () => {
            const objects = await driver.observe(scope);
            witness.saw(objects);
            return objects;
          });
      if (property === 'watch')
        return (onChange: Parameters<typeof driver.watch>[0]) =>
          driver.watch((change) => {
            if (!life.isOver) onChange(change);
          });
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
