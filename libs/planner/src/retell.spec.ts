import { describe, expect, it } from '@jest/globals';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { expectOnePart, retellAll } from '../test/retelling.js';
import { TOLD_AT_ONCE } from './world.js';

const PORTS = 2 * TOLD_AT_ONCE + 100;

/** More ports of one network on a first DPU than one decision tells, all ready, and one on a second. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1'], PORTS);
  lab.fleet(['dpu-2'], 1);
  lab.apply('Network', 'blue', {});
  lab.group(() => {
    for (let index = 0; index < PORTS; index++)
      lab.apply('Port', `web-${index}`, { network: 'blue', function: identityOf('dpu-1', index) });
    lab.apply('Port', 'last', { network: 'blue', function: identityOf('dpu-2', 0) });
  });
  return lab;
}

const mtus = (lab: Lab) => new Set(lab.records('Port').map(({ resource }) => resource.status.mtu));

const behind = (lab: Lab): number =>
  lab
    .records('Port')
    .filter(({ resource: { status } }) => status.propagated?.applied !== status.propagated?.total).length;

describe('a network of more ports than one decision tells', () => {
  it('has its MTU at once when a DPU has another underlay, and its ports with the decisions that follow', () => {
    const lab = world();
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    retellAll(lab);
    const before = lab.network('blue').status.mtu;
    const changed = lab.dpu('dpu-2', { underlayMtu: 1400 });
    const after = lab.network('blue').status.mtu;
    expect(after).toBeLessThan(before ?? 0);
    expectOnePart(lab, changed);
    expect(retellAll(lab)).toEqual([TOLD_AT_ONCE, TOLD_AT_ONCE, expect.any(Number)]);
    expect(mtus(lab)).toEqual(new Set([after]));
    checkInvariants(lab);
  });

  it('goes on after a restart where it was', () => {
    const lab = world();
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    retellAll(lab);
    lab.dpu('dpu-2', { underlayMtu: 1400 });
    retellAll(lab, () => lab.restart());
    expect(mtus(lab)).toEqual(new Set([lab.network('blue').status.mtu]));
    expect(lab.retell()).toBeUndefined();
  });

  it('tells that all ports are known everywhere, a part with each decision, when the last DPU has them', () => {
    const lab = world();
    lab.report('dpu-1');
    expect(behind(lab)).toBe(PORTS + 1);
    const confirmed = lab.report('dpu-2');
    expectOnePart(lab, confirmed);
    expect(retellAll(lab).length).toBeGreaterThan(1);
    expect(behind(lab)).toBe(0);
    checkInvariants(lab);
  });

  it('does the same when that DPU is retired instead', () => {
    const lab = world();
    lab.report('dpu-1');
    const retired = lab.retire('Dpu', 'dpu-2');
    expectOnePart(lab, retired);
    retellAll(lab);
    // But for its own, which is nowhere now.
    expect(behind(lab)).toBe(0);
  });

  it('has nothing more to tell of ports that are gone meanwhile', () => {
    const lab = world();
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    retellAll(lab);
    lab.dpu('dpu-2', { underlayMtu: 1400 });
    for (let index = 0; index < PORTS; index++) lab.delete('Port', `web-${index}`);
    expect(retellAll(lab)).toEqual([1]);
  });
});
