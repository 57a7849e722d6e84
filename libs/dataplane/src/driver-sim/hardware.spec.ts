import { afterEach, describe, expect, it } from '@jest/globals';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { TABLE } from '../driver-ovs/realise/ovs-objects.js';
import * as d from '../testing/documents.js';
import { EngineProbe } from '../testing/engine-probe.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch, type SimSwitchOptions } from './sim-switch.js';

const NET = '0192f3c1-7a2e-7c1b-9d40-5b1f0e6a2c11';
const NETWORK = [d.router(), d.bridgeDomain(NET)];
const port = (number: number, offload = 'PREFERRED'): d.Entry =>
  d.endpoint(`port-${number}`, NET, {
    macAddress: `02:00:5e:00:10:0${number}`,
    representor: `pf0vf${number}`,
    ipAddresses: [`10.0.1.${number}`],
    offload,
  });

describe('tables of a simulated switch', () => {
  let probe: EngineProbe<OvsSpec>;
  let vswitch: SimSwitch;
  let sequence = 0;
  afterEach(() => probe[Symbol.asyncDispose]());

  async function start(options: SimSwitchOptions): Promise<void> {
    vswitch = new SimSwitch(options);
    for (const number of [1, 2, 3]) vswitch.plug(`pf0vf${number}`);
    probe = await EngineProbe.start(new SimDriver({ vswitch }));
  }
  /** The ports whose frames hardware lets in. */
  const inHardware = (): string[] =>
    [1, 2, 3]
      .map((number) => `pf0vf${number}`)
      .filter((name) => vswitch.get(`flow/${TABLE.INGRESS}/10/in_port=${name}`)?.inHardware);

  it('take flows over while there is room, and the next one when there is room again', async () => {
    await start({ hardware: { [TABLE.INGRESS]: { entries: 2, fields: ['in_port'] } } });
    await probe.apply(d.document(++sequence, [...NETWORK, port(1), port(2), port(3)]));
    const first = inHardware();
    expect(first).toHaveLength(2);
    await probe.apply(d.delta(++sequence, [], [`endpoint/port-${first[0]?.slice(-1)}`]));
    const second = inHardware();
    expect(second).toHaveLength(2);
    expect(second).not.toEqual(first);
  });

  it('evict what has a lower priority, and leave what they cannot look at to software', async () => {
    // The tunnel's flow comes first in priority, and has a field that this hardware does not look at.
    await start({ hardware: { [TABLE.INGRESS]: { entries: 1, fields: ['in_port', 'tun_id'] } } });
    await probe.apply(d.document(++sequence, [d.router(), port(1)]));
    await probe.apply(d.document(++sequence, [...NETWORK, port(1)]));
    expect(inHardware()).toEqual([]);
    const tunnel = vswitch.keys().find((key) => key.includes('tun_id='));
    expect(vswitch.get(tunnel ?? '')?.inHardware).toBe(true);
  });

  it('tell of each object whether hardware has it, and refuse what requires it where there is none', async () => {
    await start({});
    const { problems } = await probe.apply(d.document(++sequence, [...NETWORK, port(1, 'REQUIRED')]));
    expect(problems).toEqual([
      expect.objectContaining({
        key: 'endpoint/port-1',
        state: 'UNSUPPORTED',
        message: expect.stringContaining('no hardware tables'),
      }),
    ]);
    await probe[Symbol.asyncDispose]();
    await start({ hardware: { [TABLE.INGRESS]: { entries: 10 } } });
    expect(await probe.apply(d.document(1, [...NETWORK, port(1, 'REQUIRED')]))).toMatchObject({
      problems: [],
    });
    const query = { type: 'flow', after: '', limit: 500, matches: () => true };
    const states = new Map(
      probe.engine.inspect(query).objects.map(({ key, offload }) => [key, offload?.state]),
    );
    expect(states.get(`flow/${TABLE.INGRESS}/10/in_port=pf0vf1`)).toBe('HARDWARE');
    expect(
      [...states].filter(([key]) => !key.startsWith('flow/0/')).every(([, state]) => state === 'SOFTWARE'),
    ).toBe(true);
  });

  it('are told of in reports: which endpoints they lack, once for each change, and nothing without hardware', async () => {
    await start({});
    expect((await probe.apply(d.document(1, [...NETWORK, port(1)]))).offload).toBeUndefined();
    await probe[Symbol.asyncDispose]();
    const tables = Array.from({ length: 64 }, (_, table) => [table, { entries: table === 0 ? 2 : 100 }]);
    await start({ hardware: Object.fromEntries(tables) });
    const lacking = (number: number) => ({
      key: `endpoint/port-${number}`,
      reason: `NotOffloadedByDataplane: flow/${TABLE.INGRESS}/10/in_port=pf0vf${number}`,
    });
    const { offload } = await probe.apply(d.document(1, [...NETWORK, port(1), port(2)]));
    expect(offload).toEqual({ inSoftware: [lacking(2)], inSoftwareTotal: 1 });
    const from = probe.reports.length;
    await probe.apply(d.delta(2, [], ['endpoint/port-1']));
    await probe.until((report) => report.offload?.inSoftwareTotal === 0, from);
    await probe.engine.settled();
    expect(probe.reports.length - from).toBeLessThanOrEqual(2);
  });

  it('that are full fail what comes, by name, and take it when there is room', async () => {
    await start({ tableEntries: 16 });
    const report = await probe.apply(d.document(++sequence, [...NETWORK, port(1), port(2), port(3)]));
    expect(report.problems).toContainEqual(
      expect.objectContaining({
        state: 'FAILED',
        message: expect.stringMatching(/table \d+ is full: 16 of 16 flows/),
      }),
    );
    const from = probe.reports.length;
    await probe.apply(d.delta(++sequence, [], ['endpoint/port-2', 'endpoint/port-3']));
    await probe.until(({ problems }) => problems.length === 0, from);
  });
});
