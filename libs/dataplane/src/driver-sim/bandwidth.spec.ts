import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@outboard/testkit';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { SimDriver } from './sim-driver.js';
import { SimFabric } from './sim-fabric.js';
import { SimHost } from './sim-host.js';
import { SimSwitch } from './sim-switch.js';
import { FRAME_BITS } from './switch/meters.js';

const NETWORK = '0192f3c1-7a2e-7c1b-9d40-000000000001';
const KBPS = 1000;
const FRAMES_A_SECOND = Math.floor((KBPS * 1000) / FRAME_BITS);

describe('the bandwidth of a port on a simulated switch', () => {
  it.each([
    ['from', 'a'],
    ['to', 'b'],
  ] as const)(
    'holds frames %s it up beyond the burst, and lets them pass at its rate',
    async (_, limited) => {
      const clock = new ManualClock();
      const vswitch = new SimSwitch({ clock });
      const fabric = new SimFabric();
      fabric.add({ name: 'dpu-1', vswitch, underlayAddress: '10.254.0.1' });
      const [a] = [0, 1].map((index) => {
        vswitch.plug(`pf0vf${index}`);
        const addresses = [{ ip: `10.0.1.${index + 5}`, prefixLength: 24 }];
        const host = new SimHost({ macAddress: `02:00:5e:00:00:0${index}`, addresses });
        fabric.attach('dpu-1', `pf0vf${index}`, host);
        return host;
      }) as [SimHost];
      const probe = await EngineProbe.start(new SimDriver({ vswitch }));
      const report = await probe.apply(
        d.document(1, [
          d.router(),
          d.bridgeDomain(NETWORK),
          ...['a', 'b'].map((name, index) =>
            d.endpoint(name, NETWORK, {
              macAddress: `02:00:5e:00:00:0${index}`,
              representor: `pf0vf${index}`,
              ipAddresses: [`10.0.1.${index + 5}`],
              ...(name === limited && (name === 'a' ? { egressKbps: KBPS } : { ingressKbps: KBPS })),
            }),
          ),
        ]),
      );
      expect(report.problems).toEqual([]);
      const flood = (): number => {
        let arrived = 0;
        while (fabric.probe(a, { destination: '10.0.1.6', protocol: 'UDP', port: 9 }).arrived) arrived++;
        return arrived;
      };
      expect(flood()).toBeGreaterThan(FRAMES_A_SECOND / 10);
      expect(flood()).toBe(0);
      await clock.advance(1000);
      expect(Math.abs(flood() - FRAMES_A_SECOND)).toBeLessThanOrEqual(1);
      await probe[Symbol.asyncDispose]();
    },
  );
});
