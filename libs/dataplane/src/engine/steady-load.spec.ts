import { describe, expect, it } from '@jest/globals';
import { faultyDriver } from '../driver-memory/faulty-driver.js';
import { MemoryDriver } from '../driver-memory/memory-driver.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';

const MOST_CHANGES = 200;

describe('an engine that is given a change with everything that it does', () => {
  it('tells what is done though something is always under way, and each time all that is older', async () => {
    const driver = faultyDriver(new MemoryDriver({ dpu: 'dpu-1' }));
    const probe = await EngineProbe.start(driver);
    try {
      await probe.apply(d.document(1, [d.router()]));
      const told = probe.reports.length;
      let sequence = 1;
      const change = (): void => {
        sequence++;
        probe.engine.submit(d.delta(sequence, [d.route(`10.0.${sequence}.0/24`)]));
      };
      driver.setFault(() => {
        if (sequence < MOST_CHANGES) change();
        return undefined;
      });
      change();
      const last = await probe.until(({ version }) => version.sequence === BigInt(MOST_CHANGES));
      expect(last.problems).toEqual([]);
      const sequences = probe.reports.slice(told).map(({ version }) => Number(version.sequence));
      expect(sequences[0]).toBeLessThan(MOST_CHANGES / 2);
      expect(sequences).toEqual([...sequences].sort((left, right) => left - right));
      await probe.engine.settled();
      expect(probe.reports.at(-1)?.version.sequence).toBe(BigInt(MOST_CHANGES));
    } finally {
      await probe[Symbol.asyncDispose]();
    }
  });
});
