import { AppError } from '@outboard/core';
import {
  type Driver,
  faultyDriver,
  type ObservedObject,
  type Operation,
  type OvsSpec,
  type Scope,
} from '@outboard/dataplane';
import type { Life } from './life.js';
import type { SeededRandom } from './seeded-random.js';

/** How bad a switch is: operations that fail, or seem to be carried out and are not. */
export interface Trouble {
  failing: number;
  lying: number;
  /** Looks that fail. */
  blind: number;
}

export interface DriverWitness {
  /** Told of each operation that went wrong, by its sort. */
  readonly count: (what: string) => void;
  /** Told of the key of each object that seems to be as it was wanted, and need not be. */
  readonly pretended: (key: string) => void;
  /** Told of the keys of what the switch has really done, when it has done it. */
  readonly did: (keys: readonly string[]) => void;
  /** Told of everything that the worker has read back, and of where it has looked. */
  readonly saw: (objects: readonly ObservedObject<OvsSpec>[], scope: Scope<OvsSpec>) => void;
}

/** A driver as a process sees it that may die, on a switch that fails. */
export function simulatedDriver(
  driver: Driver<OvsSpec>,
  life: Life,
  trouble: Trouble,
  random: SeededRandom,
  witness: DriverWitness,
): Driver<OvsSpec> {
  const faulty = faultyDriver(mortalDriver(driver, life, trouble, random, witness));
  faulty.setFault((operation) => {
    const error = { code: 'EIO', message: 'the simulated switch fails' };
    if (random.chance(trouble.failing)) {
      witness.count('operation that failed');
      return { kind: 'failed', error };
    }
    if (!random.chance(trouble.lying)) return undefined;
    witness.count('operation that only pretended');
    witness.pretended(keyOf(operation));
    return { kind: 'done' };
  });
  return faulty;
}

const mortalDriver = (
  driver: Driver<OvsSpec>,
  life: Life,
  trouble: Trouble,
  random: SeededRandom,
  witness: DriverWitness,
): Driver<OvsSpec> =>
  new Proxy(driver, {
    get(target, property) {
      if (property === 'apply')
        return (operations: readonly Operation<OvsSpec>[]) =>
          life.step('operations', async () => {
            const results = await driver.apply(operations);
            witness.did(operations.filter((_, index) => results[index]?.kind === 'done').map(keyOf));
            return results;
          });
      if (property === 'observe')
        return (scope: Scope<OvsSpec>) =>
          life.step('a look', async () => {
            // No draw where there is none: seeds that are kept stay the histories that they are.
            if (trouble.blind > 0 && random.chance(trouble.blind)) {
              witness.count('look that failed');
              throw new AppError('UNAVAILABLE', 'the simulated switch cannot be read');
            }
            const objects = await driver.observe(scope);
            witness.saw(objects, scope);
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

const keyOf = (operation: Operation<OvsSpec>): string =>
  operation.action === 'delete' ? operation.key : operation.object.key;
