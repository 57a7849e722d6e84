import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NetworkNamespace } from '@outboard/netlink';
import { Testbed } from '@outboard/testbed';
import type { Driver, Spec } from '../src/driver.js';
import { HARDWARE_OFFLOAD } from '../src/realise/offload.js';
import * as d from '../src/testing/documents.js';
import { EngineProbe } from '../src/testing/engine-probe.js';
import type { PacketWorld } from './packets-suite.js';

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';

/** What every driver has to tell of hardware, on a DPU that has none. */
export function offloadTruth(
  title: string,
  openWorld: (name: string) => PacketWorld,
  /** The type of layer 1 by which packets of ports are let in. */
  type: string,
): void {
  jest.setTimeout(60_000);
  describe(`${title}: offload`, () => {
    const name = `h${process.pid.toString(36)}`;
    const world = openWorld(name);
    let testbed: Testbed;
    let driver: Driver<Spec>;
    let probe: EngineProbe<Spec>;
    let sequence = 0;

    const apply = (offload: string) =>
      probe.apply(
        d.document(++sequence, [
          d.router(),
          d.bridgeDomain(NET),
          d.endpoint('port-1', NET, {
            macAddress: '02:00:5e:00:10:01',
            representor: 'pf0vf0',
            ipAddresses: ['10.0.1.5'],
            offload,
          }),
        ]),
      );
    const shown = () =>
      probe.engine.inspect({ type, after: '', limit: 500, matches: ({ state }) => state === 'APPLIED' })
        .objects;

    beforeAll(async () => {
      const dpu = { name: 'dpu-1', serialNumber: 'S1', pfMacAddress: '08:c0:eb:00:00:01', functions: 1 };
      testbed = await Testbed.create({ name, dpus: [dpu] });
      driver = await world.open(testbed.dpu('dpu-1'));
      probe = await EngineProbe.start(driver);
    });
    afterAll(async () => {
      await probe[Symbol.asyncDispose]();
      await driver[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
      for (const left of NetworkNamespace.list(`ob-${name}`)) NetworkNamespace.remove(left);
      await testbed.dispose();
    });

    it('is a capability, with the reason why there is none', () => {
      const told = driver.capabilities().filter((each) => each.name === HARDWARE_OFFLOAD);
      expect(told).toEqual([
        { name: HARDWARE_OFFLOAD, available: false, reason: expect.stringMatching(/.{10,}/) },
      ]);
    });

    it.each(['', 'PREFERRED', 'NEVER'])(
      '%s is software, and every object that forwards says so and why',
      async (offload) => {
        expect((await apply(offload)).problems).toEqual([]);
        const objects = shown();
        expect(objects.length).toBeGreaterThan(0);
        const reason = driver.capabilities().find((each) => each.name === HARDWARE_OFFLOAD)?.reason;
        for (const object of objects) expect(object.offload).toEqual({ state: 'SOFTWARE', reason });
      },
    );

    it('that is REQUIRED is refused with the reason, and nothing of the port is let in', async () => {
      const { problems } = await apply('REQUIRED');
      expect(problems).toEqual([
        expect.objectContaining({
          key: 'endpoint/port-1',
          state: 'UNSUPPORTED',
          message: expect.stringContaining('cannot be in hardware'),
        }),
      ]);
      const ofPort = shown().filter(({ claims }) => claims.some(({ key }) => key === 'endpoint/port-1'));
      expect(ofPort).toEqual([]);
    });

    it('of an unknown word is refused with the field', async () => {
      const { problems } = await apply('SOMETIMES');
      expect(problems).toEqual([
        expect.objectContaining({ message: 'offload must be PREFERRED, REQUIRED, NEVER' }),
      ]);
    });
  });
}
