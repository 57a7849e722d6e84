import { describe, expect, it } from '@jest/globals';
import { findCondition, readinessTransition } from '@outboard/model';
import fc from 'fast-check';
import { checkInvariants } from '../test/invariants.js';
import { identityOf, Lab } from '../test/lab.js';
import { type Decision, type ProblemState, present } from './index.js';

/** One port on each of three DPUs, nothing reported yet. */
function world(): Lab {
  const lab = new Lab();
  lab.fleet(['dpu-1', 'dpu-2', 'dpu-3'], 2);
  lab.apply('Network', 'blue', {});
  for (const number of [1, 2, 3]) {
    lab.apply('Port', `web-${number}`, { network: 'blue', function: identityOf(`dpu-${number}`, 0) });
  }
  return lab;
}

const DPUS = ['dpu-1', 'dpu-2', 'dpu-3'];

function ready(lab: Lab, port: string): string {
  const condition = findCondition(lab.port(port).status.conditions, 'Ready');
  return `${condition?.status} ${condition?.reason}: ${condition?.message}`;
}

const events = ({ changes }: Decision): string[] =>
  changes.flatMap((change) => {
    const [before, after] = [change.before, change.after].map((record) =>
      record && 'resource' in record ? record.resource : undefined,
    );
    const transition = after && readinessTransition(before?.status.conditions, after.status.conditions);
    return transition ? [`${after.metadata.name} ${transition}`] : [];
  });

const keyOf = (lab: Lab, port: string, kind = 'endpoint') => `${kind}/${lab.port(port).metadata.uid}`;

describe('a port', () => {
  it('is not ready before its own DPU has applied it and read it back, and then is', () => {
    const lab = world();
    expect(ready(lab, 'web-1')).toBe('False Applying: dpu-1');
    expect(events(lab.report('dpu-2'))).toEqual(['web-2 ready']);
    expect(ready(lab, 'web-1')).toBe('False Applying: dpu-1');
    expect(events(lab.report('dpu-1'))).toEqual(['web-1 ready']);
    expect(ready(lab, 'web-1')).toBe('True AppliedAndReadBack: dpu-1');
  });

  it('is not made ready by a report of an earlier sequence', () => {
    const lab = world();
    const before = lab.world.documents.sequence('dpu-1' as never);
    lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-1', 0), adminState: 'DOWN' });
    expect(events(lab.reportSequence('dpu-1', before))).toEqual([]);
    expect(ready(lab, 'web-1')).toBe('False Applying: dpu-1');
  });

  it('is unready from a change of its endpoint until that is applied, and not for other changes', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    const spec = { network: 'blue', function: identityOf('dpu-1', 0) };
    // What it has anyway is asked for.
    const { macAddress } = lab.port('web-1').status;
    expect(events(lab.apply('Port', 'web-1', { ...spec, macAddress }))).toEqual([]);
    expect(ready(lab, 'web-1')).toBe('True AppliedAndReadBack: dpu-1');
    expect(findCondition(lab.port('web-1').status.conditions, 'Ready')?.observedGeneration).toBe(2);
    expect(events(lab.apply('Port', 'web-1', { ...spec, adminState: 'DOWN' }))).toEqual(['web-1 notready']);
    expect(events(lab.report('dpu-1'))).toEqual(['web-1 ready']);
  });

  it.each<[ProblemState, string]>([
    ['PENDING', 'Blocked'],
    ['FAILED', 'Failed'],
    ['FOREIGN', 'ForeignObject'],
    ['UNSUPPORTED', 'Unsupported'],
  ])('shows the problem that its DPU reports as %s, until it reports none', (state, reason) => {
    const lab = world();
    const problem = { key: keyOf(lab, 'web-1'), state, message: 'no such device' };
    expect(events(lab.report('dpu-1', [problem]))).toEqual(['web-1 notready']);
    expect(ready(lab, 'web-1')).toBe(`False ${reason}: no such device`);
    expect(lab.report('dpu-1', [problem]).changes).toEqual([]);
    expect(events(lab.report('dpu-1'))).toEqual(['web-1 ready']);
    expect(events(lab.report('dpu-1', [problem]))).toEqual(['web-1 notready']);
  });

  it('keeps its problem over a restart of the service, until its DPU reports none', () => {
    const lab = world();
    lab.report('dpu-1', [{ key: keyOf(lab, 'web-1'), state: 'FAILED', message: 'no such device' }]);
    lab.restart();
    expect(ready(lab, 'web-1')).toBe('False Failed: no such device');
    expect(events(lab.report('dpu-1'))).toEqual(['web-1 ready']);
  });

  it('is not called ready by a report whose list of problems was cut', () => {
    const lab = world();
    const problem = { key: keyOf(lab, 'web-2', 'remoteendpoint'), state: 'FAILED', message: '' } as const;
    expect(events(lab.report('dpu-1', [problem], 2))).not.toContain('web-1 ready');
    expect(ready(lab, 'web-1')).toBe('False Applying: dpu-1');
    expect(events(lab.report('dpu-1', [problem]))).toEqual(['web-1 ready']);
  });

  it('waits again when its DPU has lost what it had applied', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    expect(events(lab.reportSequence('dpu-1', 1))).toEqual(['web-1 notready']);
    expect(present(lab.world, lab.port('web-2')).status.propagated).toEqual({
      applied: 2,
      total: 3,
      lagging: ['dpu-1'],
    });
    expect(events(lab.report('dpu-1'))).toEqual(['web-1 ready']);
    checkInvariants(lab);
  });

  it('is of unknown readiness while its DPU is unreachable, and as before afterwards', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    const before = lab.port('web-1').status;
    expect(events(lab.dpu('dpu-1', { reachable: false }))).toEqual(['web-1 notready']);
    expect(ready(lab, 'web-1')).toBe('Unknown DpuUnreachable: dpu-1');
    expect(ready(lab, 'web-2')).toBe('True AppliedAndReadBack: dpu-2');
    lab.restart();
    expect(events(lab.dpu('dpu-1'))).toEqual(['web-1 ready']);
    const times = (status: typeof before) =>
      status.conditions.map((condition) => ({ ...condition, lastTransitionTime: '' }));
    expect(times(lab.port('web-1').status)).toEqual(times(before));
  });

  it('says that it waits for a DPU that is unreachable', () => {
    const lab = world();
    lab.dpu('dpu-1', { reachable: false });
    expect(ready(lab, 'web-1')).toBe('False Applying: dpu-1 is unreachable');
  });
});

describe('propagation', () => {
  const propagated = (lab: Lab, port: string) => present(lab.world, lab.port(port)).status.propagated;

  it('counts the DPUs that have what is theirs of the port, and is announced when complete', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    const spec = { network: 'blue', function: identityOf('dpu-1', 0), macAddress: '02:00:00:00:00:99' };
    lab.apply('Port', 'web-1', spec);
    expect(lab.port('web-1').status.propagated).toEqual({ applied: 0, total: 3, lagging: DPUS });
    expect(lab.report('dpu-2').changes).toEqual([]);
    expect(propagated(lab, 'web-1')).toEqual({ applied: 1, total: 3, lagging: ['dpu-1', 'dpu-3'] });
    lab.report('dpu-1');
    expect(lab.port('web-1').status.propagated).toEqual({ applied: 2, total: 3, lagging: ['dpu-3'] });
    lab.restart();
    expect(lab.report('dpu-3').changes).toEqual([]);
    for (const dpu of ['dpu-1', 'dpu-2']) lab.report(dpu);
    expect(lab.port('web-1').status.propagated).toEqual({ applied: 3, total: 3, lagging: [] });
  });

  it('names a DPU that failed to take the port in', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    const key = keyOf(lab, 'web-1', 'remoteendpoint');
    const { changes } = lab.report('dpu-3', [{ key, state: 'FAILED', message: '' }]);
    expect(changes.map(({ after }) => after?.kind)).toEqual(['Network']);
    expect(propagated(lab, 'web-1')).toEqual({ applied: 2, total: 3, lagging: ['dpu-3'] });
    lab.report('dpu-3');
    expect(propagated(lab, 'web-1')).toEqual({ applied: 3, total: 3, lagging: [] });
  });

  it('counts a DPU that has just joined the network as lagging for all its ports', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    lab.fleet(['dpu-4'], 1);
    lab.apply('Port', 'web-4', { network: 'blue', function: identityOf('dpu-4', 0) });
    expect(propagated(lab, 'web-1')).toEqual({ applied: 3, total: 4, lagging: ['dpu-4'] });
    lab.report('dpu-4');
    expect(propagated(lab, 'web-1')).toEqual({ applied: 4, total: 4, lagging: [] });
  });

  it('does not take a DPU for one that has it because the service has started again', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    lab.fleet(['dpu-4'], 1);
    lab.apply('Port', 'web-4', { network: 'blue', function: identityOf('dpu-4', 0) });
    lab.restart();
    expect(propagated(lab, 'web-1')).toEqual({ applied: 3, total: 4, lagging: ['dpu-4'] });
    lab.report('dpu-4');
    expect(propagated(lab, 'web-1')).toEqual({ applied: 4, total: 4, lagging: [] });
  });

  it('is complete when the last DPU that lagged leaves the network', () => {
    const lab = world();
    lab.report('dpu-1');
    expect(lab.port('web-1').status.propagated?.lagging).toEqual(['dpu-2', 'dpu-3']);
    lab.delete('Port', 'web-3');
    expect(propagated(lab, 'web-1')).toEqual({ applied: 1, total: 2, lagging: ['dpu-2'] });
    lab.retire('Dpu', 'dpu-2');
    expect(lab.port('web-1').status.propagated).toEqual({ applied: 1, total: 1, lagging: [] });
  });

  it('names at most ten DPUs and counts all', () => {
    const lab = new Lab();
    const names = Array.from({ length: 15 }, (_, index) => `dpu-${index + 1}`);
    lab.fleet(names, 1);
    lab.apply('Network', 'blue', {});
    for (const name of names) {
      lab.apply('Port', `on-${name}`, { network: 'blue', function: identityOf(name, 0) });
    }
    expect(propagated(lab, 'on-dpu-1')).toMatchObject({ applied: 0, total: 15, lagging: { length: 10 } });
  });
});

describe('reports', () => {
  it('that tell nothing new change nothing, however often they come', () => {
    const lab = world();
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...DPUS), { minLength: 3 }), (dpus) => {
        for (const dpu of DPUS) lab.report(dpu);
        for (const dpu of dpus) expect(lab.report(dpu).changes).toEqual([]);
      }),
      { seed: 10, numRuns: 20 },
    );
  });

  it('of a DPU or an object that is not known are of no consequence', () => {
    const lab = world();
    expect(lab.reportSequence('dpu-9', 5).changes).toEqual([]);
    const problems = ['endpoint/nothing', 'bridgedomain/x', 'nonsense', keyOf(lab, 'web-2')].map(
      (key) => ({ key, state: 'FAILED', message: '' }) as const,
    );
    expect(events(lab.report('dpu-1', problems))).toEqual(['web-1 ready']);
    expect(ready(lab, 'web-2')).toBe('False Applying: dpu-2');
  });
});

describe('a network', () => {
  const applied = (lab: Lab): string => {
    const condition = findCondition(lab.network('blue').status.conditions, 'Applied');
    return `${condition?.reason}: ${condition?.message}`;
  };
  const problemOf = (key: string, state: ProblemState = 'FAILED', message = 'no room') => ({
    key,
    state,
    message,
  });
  const keys = (lab: Lab) => {
    const { uid } = lab.network('blue').metadata;
    return { router: 'router/acme/default', domain: `bridgedomain/${uid}`, peer: `tunnelpeer/${uid}/dpu-2` };
  };

  it('shows the problems of what it is made of on each DPU, and nothing while work is under way', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    expect(applied(lab)).toBe('NoProblem: ');
    const { router, domain, peer } = keys(lab);
    lab.report('dpu-1', [{ ...problemOf(domain, 'PENDING'), isUnderWay: true }]);
    expect(applied(lab)).toBe('NoProblem: ');
    lab.report('dpu-1', [{ ...problemOf(keyOf(lab, 'web-1'), 'PENDING'), isUnderWay: true }]);
    expect(findCondition(lab.port('web-1').status.conditions, 'Applied')).toMatchObject({
      reason: 'Applying',
    });
    lab.report('dpu-1');
    for (const key of [router, domain, peer, keyOf(lab, 'web-2', 'remoteendpoint')]) {
      expect(events(lab.report('dpu-1', [problemOf(key)]))).toContain('blue notready');
      expect(applied(lab)).toBe('Failed: dpu-1: no room');
      expect(lab.report('dpu-1', [problemOf(key)]).changes).toEqual([]);
      expect(events(lab.report('dpu-1'))).toContain('blue ready');
    }
    lab.report('dpu-1', [problemOf(keyOf(lab, 'web-1'))]);
    expect(applied(lab)).toBe('NoProblem: ');
    checkInvariants(lab);
  });

  it.each<[ProblemState, string]>([
    ['PENDING', 'Blocked'],
    ['FAILED', 'Failed'],
    ['FOREIGN', 'ForeignObject'],
    ['UNSUPPORTED', 'Unsupported'],
  ])('tells %s as %s', (state, reason) => {
    const lab = world();
    lab.report('dpu-1', [problemOf(keys(lab).domain, state)]);
    expect(applied(lab)).toBe(`${reason}: dpu-1: no room`);
  });

  it('tells the worst of its DPUs in whatever order they report, names ten of them, and how many there are', () => {
    const names = Array.from({ length: 12 }, (_, index) => `dpu-${index + 10}`);
    const told = [names, names.toReversed()].map((order) => {
      const lab = new Lab();
      lab.fleet(names, 1);
      lab.apply('Network', 'blue', {});
      for (const name of names) {
        lab.apply('Port', `on-${name}`, { network: 'blue', function: identityOf(name, 0) });
      }
      for (const name of order) {
        lab.report(name, [
          problemOf(keys(lab).domain, name === 'dpu-15' ? 'FAILED' : 'PENDING', `of ${name}`),
        ]);
      }
      return applied(lab);
    });
    const ten = names.slice(0, 10).join(', ');
    expect(told).toEqual(Array(2).fill(`Failed: ${ten} and 2 more of 12 DPUs: of dpu-15`));
  });

  it('has a problem until the DPU tells none, leaves the network or is retired', () => {
    const lab = world();
    const trouble = () => lab.report('dpu-1', [problemOf(keys(lab).domain)]);
    for (const end of [
      () => lab.report('dpu-1'),
      () => lab.apply('Port', 'web-1', { network: 'blue' }),
      () => lab.retire('Dpu', 'dpu-1'),
    ]) {
      lab.fleet(DPUS, 2);
      lab.apply('Port', 'web-1', { network: 'blue', function: identityOf('dpu-1', 0) });
      for (const dpu of DPUS) lab.report(dpu);
      trouble();
      expect(applied(lab)).toBe('Failed: dpu-1: no room');
      end();
      expect(applied(lab)).toBe('NoProblem: ');
      checkInvariants(lab);
    }
  });

  it('keeps a problem over a restart of the service until every DPU of it has reported', () => {
    const lab = world();
    for (const dpu of DPUS) lab.report(dpu);
    lab.report('dpu-1', [problemOf(keys(lab).domain)]);
    lab.restart();
    lab.report('dpu-2');
    lab.report('dpu-3');
    expect(applied(lab)).toBe('Failed: dpu-1: no room');
    lab.report('dpu-1');
    expect(applied(lab)).toBe('NoProblem: ');
  });

  it('has the same problem for its ports there, which wait for it; not for those that are applied, or elsewhere', () => {
    const lab = world();
    lab.report('dpu-2');
    for (const [key, what] of [
      [keys(lab).router, 'router/acme/default'],
      [keys(lab).domain, 'network/blue'],
    ] as const) {
      const own = problemOf(keyOf(lab, 'web-1'), 'PENDING', 'waits for link/obb1');
      lab.report('dpu-1', [problemOf(key, 'UNSUPPORTED', 'no VXLAN'), own]);
      expect(ready(lab, 'web-1')).toBe(`False Unsupported: ${what}: no VXLAN`);
      lab.report('dpu-1', [own]);
      expect(ready(lab, 'web-1')).toBe('False Blocked: waits for link/obb1');
    }
    lab.report('dpu-2', [problemOf(keys(lab).domain)]);
    expect(ready(lab, 'web-2')).toBe('True AppliedAndReadBack: dpu-2');
    lab.report('dpu-1');
    expect(ready(lab, 'web-1')).toBe('True AppliedAndReadBack: dpu-1');
  });
});
