import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { functionOf, NetworkLaboratory } from './network-laboratory.js';

/** More than one commit tells. */
const PORTS = 520;
const DPUS = 40;

describe('a large network', () => {
  let laboratory: NetworkLaboratory;
  beforeEach(async () => {
    laboratory = await NetworkLaboratory.open();
  });
  afterEach(() => laboratory.close());

  const names = Array.from({ length: PORTS }, (_, index) => `p-${index}`);
  const mtus = () => new Set(names.map((name) => laboratory.port(name)?.status.mtu));

  it('gives all its ports another MTU, though a commit tells only some of them', async () => {
    await laboratory.fleet(['dpu-1'], PORTS);
    await laboratory.apply('Network', 'blue', {});
    await Promise.all(
      names.map((name, index) =>
        laboratory.publish('Port', name, { network: 'blue', function: functionOf('dpu-1', index) }),
      ),
    );
    await laboratory.quiet();
    expect(mtus()).toEqual(new Set([1450]));
    await laboratory.admin.putDpu('dpu-1', { mtu: 1400 });
    await laboratory.quiet();
    expect(mtus()).toEqual(new Set([1350]));
  });

  it('has no port ready before its DPU has what a policy of all of them says, though a commit tells only some', async () => {
    const [worker] = await laboratory.fleet(['dpu-1'], PORTS);
    await laboratory.apply('Network', 'blue', {});
    await Promise.all(
      names.map((name, index) =>
        laboratory.publish('Port', name, { network: 'blue', function: functionOf('dpu-1', index) }),
      ),
    );
    await laboratory.quiet();
    const stored = () => new Set(names.map((name) => laboratory.condition(name, 'Ready')));
    expect(stored()).toEqual(new Set(['True AppliedAndReadBack']));
    await worker?.stop();
    const answer = await laboratory.apply('SecurityPolicy', 'lock', { portSelector: {}, ingress: [] });
    expect(answer.transition).toBe('accepted');
    await laboratory.quiet();
    expect(stored()).toEqual(new Set(['False Applying']));
    await laboratory.restart();
    expect(stored()).toEqual(new Set(['False Applying']));
    await laboratory.worker('dpu-1');
    await laboratory.quiet();
    expect(stored()).toEqual(new Set(['True AppliedAndReadBack']));
    for (const name of names) expect(laboratory.transitions(name).slice(-2)).toEqual(['notready', 'ready']);
  });

  it('announces what a group of changes means for its DPUs where that is more than a commit holds', async () => {
    const dpus = Array.from({ length: DPUS }, (_, index) => `dpu-${index + 1}`);
    const workers = await laboratory.fleet(dpus, 1);
    await laboratory.admin.putAll('dpu-99', 100);
    await laboratory.apply('Network', 'blue', {});
    for (const dpu of dpus)
      await laboratory.publish('Port', `of-${dpu}`, { network: 'blue', function: functionOf(dpu, 0) });
    await laboratory.quiet();
    const pairs = Array.from({ length: 64 }, (_, index) => ({ ip: `10.9.${index}.0/24` }));
    await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        laboratory.publish('Port', `p-${index}`, {
          network: 'blue',
          function: functionOf('dpu-99', index),
          allowedAddressPairs: pairs,
        }),
      ),
    );
    await laboratory.quiet();
    const announced = workers.filter(({ deltas }) =>
      deltas.some(({ upserts, deletes }) => upserts.length + deletes.length === 0),
    );
    expect(announced.length).toBeGreaterThan(0);
    expect(announced.length).toBeLessThan(DPUS);
    // What was announced is small enough to be given to who asks: nobody has to fetch the whole document for it.
    expect(announced.flatMap(({ answers }) => answers)).toContain('deltas');
    for (const worker of workers) {
      expect(worker.keys('remoteendpoint')).toHaveLength(DPUS - 1 + 100);
      expect(worker.isConsistent).toBe(true);
    }
  });
});
