import { describe, expect, it } from '@jest/globals';
import { MemoryDriver } from '../driver-memory/memory-driver.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';

const MAC = '02:00:5e:00:10:05';

describe('smoke', () => {
  it('applies', async () => {
    const driver = new MemoryDriver({ dpu: 'dpu-1' });
    driver.kernel.plug('pf0vf0');
    const probe = await EngineProbe.start(driver);
    const report = await probe.apply(
      d.document(1, [
        d.router(),
        d.bridgeDomain('net-a'),
        d.tunnelPeer('net-a', '10.254.0.2'),
        d.endpoint('p1', 'net-a', { macAddress: MAC, representor: 'pf0vf0', ipAddresses: ['10.0.0.1'] }),
        d.route('10.9.0.0/16'),
      ]),
    );
    expect(report.problems).toEqual([]);
    console.log(driver.kernel.keys(), probe.reports.length);
    const second = await probe.apply(d.document(2, []));
    expect(second.problems).toEqual([]);
    console.log(driver.kernel.keys(), probe.reports.length);
    await probe[Symbol.asyncDispose]();
  });
});
