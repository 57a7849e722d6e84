import { afterAll, beforeAll, describe, jest } from '@jest/globals';
import { consumeContract } from './testing/consume-contract.js';
import { publishContract } from './testing/publish-contract.js';
import { requestContract } from './testing/request-contract.js';
import { watchContract } from './testing/watch-contract.js';
import { type BusHarness, World } from './testing/world.js';

export type { BusHarness };

/** What every adapter of the bus must do. `open` starts an empty broker, once for the whole suite. */
export function busContract(name: string, open: () => Promise<BusHarness>): void {
  // Tests wait for what they expect; this only ends those that wait in vain.
  jest.setTimeout(30_000);

  describe(`the bus contract: ${name}`, () => {
    let harness: BusHarness | undefined;
    const world = new World();

    beforeAll(async () => {
      harness = await open();
      await world.begin(harness);
    });

    afterAll(async () => {
      await world.end();
      await harness?.[Symbol.asyncDispose]();
    });

    requestContract(world);
    publishContract(world);
    consumeContract(world);
    watchContract(world);
  });
}
