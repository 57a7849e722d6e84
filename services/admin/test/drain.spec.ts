import { beforeEach, describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { findCondition, type Name, parseManifest } from '@outboard/model';
import type { Command } from '@outboard/resource-service';
import {
  apply,
  confirm,
  context,
  documentOf,
  domain,
  found,
  nextRevision,
  ON_DPU_1,
  planned,
  portOf,
  register,
  remove,
  reset,
  run,
  START,
  tell,
  tellPort,
} from './workload-world.js';

const SECOND = 1_000;
const AFTER_THE_DRAIN = START + 3_601 * SECOND;

const commandOf = (
  dpu: string,
  spec: object,
  labels = domain.inventory.dpu(dpu)?.metadata.labels,
): Command => {
  const manifest = { kind: 'Dpu', metadata: { name: dpu, labels }, spec };
  const intent = unwrap(parseManifest({ apiVersion: 'admin.outboard.dev/v1alpha1', ...manifest }));
  return { operation: 'apply', intent };
};
const want = (dpu: string, lifecycle: object) =>
  unwrap(domain.decide(commandOf(dpu, { lifecycle }), context())).resource;
const drain = (dpu: string, more: object = {}) => want(dpu, { desired: 'MAINTENANCE', ...more });
const settle = (dpu: string): void => {
  const at = context();
  domain.followed(domain.inventory.proceed(dpu, at, { settled: true, rebootProblem: '' }), at);
};
/** Time passes; nobody tells anything. */
const pass = (now: number): void => {
  const at = context(now);
  for (const { metadata } of [...domain.inventory.dpus()])
    domain.followed(domain.inventory.proceed(metadata.name, at), at);
};
const lifecycle = (dpu: string) => domain.inventory.dpu(dpu)?.status.lifecycle;
const standing = (dpu: string): string =>
  `${lifecycle(dpu)?.state} ${lifecycle(dpu)?.reason}: ${lifecycle(dpu)?.remainingNames.join(', ')}`;
const placeOf = (name: string) => {
  const { dpu, movingTo } = found(name)?.status ?? {};
  return [dpu, movingTo];
};
const both = (): number[] => [documentOf('dpu-1').length, documentOf('dpu-2').length];

const PORT = { interfaces: [{ name: 'eth0', port: 'p' }] };
const JOB = { restartPolicy: 'NEVER' };

beforeEach(() => {
  reset();
  for (const dpu of ['dpu-1', 'dpu-2']) {
    register(dpu, { memoryMebibytes: dpu === 'dpu-1' ? 1_000 : 500 });
    settle(dpu);
  }
});

describe('a workload of a DPU that is drained', () => {
  it('is started on another one that it may run on, and stopped when it is ready there', () => {
    run('one');
    tell('dpu-1', 'one', {});
    drain('dpu-1');
    expect([placeOf('one'), both()]).toEqual([
      ['dpu-1', 'dpu-2'],
      [1, 1],
    ]);
    expect(planned('one')).toEqual(['Placed', 'on dpu-1, moving to dpu-2']);
    expect(standing('dpu-1')).toBe('DRAINING WorkloadsRemain: workload acme/one (moving to dpu-2)');
    for (const report of [{ state: 'STARTING', ready: false }, { ready: false }, { generation: 7 }])
      tell('dpu-2', 'one', report);
    expect(found('one')?.status).toMatchObject({ dpu: 'dpu-1', state: 'RUNNING', ready: true });
    tell('dpu-2', 'one', { restarts: 2 });
    expect(found('one')?.status).toMatchObject({ dpu: 'dpu-2', state: 'RUNNING', restarts: 2 });
    expect([placeOf('one'), both(), standing('dpu-1')]).toEqual([
      ['dpu-2', undefined],
      [0, 1],
      'DRAINING WorkloadsRemain: workload acme/one (ending)',
    ]);
    confirm('dpu-1');
    expect(standing('dpu-1')).toBe('MAINTENANCE NothingRemains: ');
  });

  it('is stopped only when the new one publishes what it published', () => {
    const published = { interfaces: [{ name: 'rules', version: '1.0.0' }] };
    run('one');
    tell('dpu-1', 'one', published);
    drain('dpu-1');
    tell('dpu-2', 'one', {});
    expect(placeOf('one')).toEqual(['dpu-1', 'dpu-2']);
    tell('dpu-2', 'one', published);
    expect(placeOf('one')).toEqual(['dpu-2', undefined]);
  });

  it('is stopped only when the new one has taken what it is configured as, and that stays applied', () => {
    const published = { interfaces: [{ name: 'rules', version: '1.0.0', configuration: {} }] };
    const states = (uid: string, generation: number, state: string) => ({
      ...published,
      configurations: [{ uid, generation, appliedGeneration: generation, interfaceVersion: '1.0.0', state }],
    });
    run('one');
    tell('dpu-1', 'one', published);
    const spec = { workload: 'one', interface: 'rules', configuration: { level: 3 } };
    const { uid } = unwrap(apply('WorkloadConfiguration', 'level', spec)).resource.metadata;
    tell('dpu-1', 'one', states(uid, 1, 'APPLIED'));
    const applied = () => domain.configuration('acme', 'level')?.status;
    expect(applied()).toMatchObject({ dpu: 'dpu-1', appliedGeneration: 1 });
    drain('dpu-1');
    const keys = (dpu: string) => documentOf(dpu).sort();
    expect([keys('dpu-1'), keys('dpu-2')]).toEqual([
      ['workload', 'workloadconfiguration'],
      ['workload', 'workloadconfiguration'],
    ]);
    for (const report of ['PENDING', 'REFUSED', 'APPLIED'].map((state, index) =>
      states(uid, index === 2 ? 2 : 1, state),
    )) {
      tell('dpu-2', 'one', report);
      expect(placeOf('one')).toEqual(['dpu-1', 'dpu-2']);
    }
    tell('dpu-2', 'one', states(uid, 1, 'APPLIED'));
    expect([placeOf('one'), keys('dpu-1'), keys('dpu-2')]).toEqual([
      ['dpu-2', undefined],
      [],
      ['workload', 'workloadconfiguration'],
    ]);
    expect(applied()).toMatchObject({ dpu: 'dpu-2', appliedGeneration: 1 });
    expect(findCondition(applied()?.conditions ?? [], 'Applied')?.reason).toBe('Taken');
  });

  it('is not waited for to be configured better than it is', () => {
    const published = { interfaces: [{ name: 'rules', version: '1.0.0', configuration: {} }] };
    run('one');
    tell('dpu-1', 'one', published);
    unwrap(
      apply('WorkloadConfiguration', 'level', { workload: 'one', interface: 'rules', configuration: {} }),
    );
    drain('dpu-1');
    tell('dpu-2', 'one', published);
    expect(placeOf('one')).toEqual(['dpu-2', undefined]);
  });

  it.each<[string, object, string]>([
    ['names it', { dpu: 'dpu-1' }, 'pinned to it'],
    ['has room nowhere else', { resources: { memoryMebibytes: 600 } }, 'no other DPU takes it'],
    [
      'is of a label that no other DPU has',
      { dpuSelector: { matchLabels: { rack: 'r1' } } },
      'no other DPU takes it',
    ],
    ['is a job, which runs to its end', JOB, 'runs to its end'],
    ['has its ports there', PORT, 'has its ports there'],
  ])('holds the drain by its name where it %s', (_what, spec, why) => {
    unwrap(domain.decide(commandOf('dpu-1', {}, { rack: 'r1' }), context()));
    tellPort('p', portOf('p', ON_DPU_1, 1));
    run('one', spec);
    tell('dpu-1', 'one', {});
    drain('dpu-1');
    expect(placeOf('one')).toEqual(['dpu-1', undefined]);
    expect(standing('dpu-1')).toBe(`DRAINING WorkloadsRemain: workload acme/one (${why})`);
    unwrap(remove('Workload', 'one'));
    expect(standing('dpu-1')).toBe('DRAINING WorkloadsRemain: workload acme/one (ending)');
    confirm('dpu-1');
    expect(standing('dpu-1')).toBe('MAINTENANCE NothingRemains: ');
  });

  it('is stopped when the time of the drain is over, and started again when the DPU is used again', () => {
    run('one', { dpu: 'dpu-1' });
    drain('dpu-1');
    pass(START + 3_599 * SECOND);
    expect(both()).toEqual([1, 0]);
    pass(AFTER_THE_DRAIN);
    expect([placeOf('one'), both(), standing('dpu-1')]).toEqual([
      [undefined, undefined],
      [0, 0],
      'FAILED DrainTimedOut: workload acme/one (ending)',
    ]);
    confirm('dpu-1');
    expect(standing('dpu-1')).toBe('MAINTENANCE NothingRemains: ');
    expect(planned('one')).toEqual(['DpuUnavailable', 'not connected, or taken out of service: dpu-1']);
    want('dpu-1', { desired: 'READY' });
    expect([placeOf('one'), both()]).toEqual([
      ['dpu-1', undefined],
      [1, 0],
    ]);
  });

  it('is stopped at once when the drain is forced, and begun anew elsewhere if it may', () => {
    run('pinned', { dpu: 'dpu-1' });
    run('job', { ...JOB, resources: { memoryMebibytes: 400 } });
    expect(placeOf('job')).toEqual(['dpu-1', undefined]);
    drain('dpu-1');
    expect(lifecycle('dpu-1')).toMatchObject({ state: 'DRAINING', remaining: 2 });
    drain('dpu-1', { forceDrain: true });
    expect(standing('dpu-1')).toBe(
      'DRAINING WorkloadsRemain: workload acme/job (ending), workload acme/pinned (ending)',
    );
    const [job, pinned] = ['job', 'pinned'].map((name) => `workload/${found(name)?.metadata.uid}`);
    confirm('dpu-1', [`${pinned}`]);
    expect(standing('dpu-1')).toBe('DRAINING WorkloadsRemain: workload acme/pinned (ending)');
    // That it has ended is not forgotten.
    confirm('dpu-1', [`${job}`, `${pinned}`]);
    expect(lifecycle('dpu-1')?.remaining).toBe(1);
    confirm('dpu-1');
    expect(lifecycle('dpu-1')?.state).toBe('MAINTENANCE');
    expect([placeOf('pinned'), placeOf('job')]).toEqual([
      [undefined, undefined],
      ['dpu-2', undefined],
    ]);
  });

  it('is not waited for when it has ended, and does not run again', () => {
    run('one', JOB);
    tell('dpu-1', 'one', {});
    drain('dpu-1');
    expect(lifecycle('dpu-1')?.state).toBe('DRAINING');
    tell('dpu-1', 'one', { state: 'SUCCEEDED', ready: false });
    expect([lifecycle('dpu-1')?.state, placeOf('one')]).toEqual(['MAINTENANCE', ['dpu-1', undefined]]);
  });

  it('stays where it is when the drain is taken back', () => {
    run('one');
    tell('dpu-1', 'one', {});
    drain('dpu-1');
    want('dpu-1', { desired: 'READY' });
    expect([placeOf('one'), both(), lifecycle('dpu-1')?.state]).toEqual([
      ['dpu-1', undefined],
      [1, 0],
      'READY',
    ]);
    // What the other one told too late says nothing.
    expect(tell('dpu-2', 'one', {})).toEqual([]);
  });

  it('goes to a third DPU when the one that it moves to fails', () => {
    run('one');
    drain('dpu-1');
    register('dpu-3');
    const at = context();
    domain.followed(domain.inventory.setConnected('dpu-2', false, at), at);
    expect(placeOf('one')).toEqual(['dpu-1', 'dpu-3']);
  });

  it('moves on across a restart, and is what it moves to when the time is over', () => {
    run('one');
    tell('dpu-1', 'one', {});
    drain('dpu-1');
    domain.reload([...domain.inventory.dpus(), found('one')], nextRevision());
    expect([placeOf('one'), both()]).toEqual([
      ['dpu-1', 'dpu-2'],
      [1, 1],
    ]);
    pass(AFTER_THE_DRAIN);
    expect([placeOf('one'), both()]).toEqual([
      ['dpu-2', undefined],
      [0, 1],
    ]);
    expect(found('one')?.status.state).toBeUndefined();
  });

  it('takes the room that it needs on the one that it moves to', () => {
    run('one', { resources: { memoryMebibytes: 400 } });
    drain('dpu-1');
    run('two', { resources: { memoryMebibytes: 200 } });
    expect(planned('two')).toEqual([
      'InsufficientResources',
      'it needs 100 millicores and 200 MiB; free are: dpu-2 has 1900 and 100',
    ]);
  });

  it('is not waited for by who retires a DPU that is dead', () => {
    run('one', { dpu: 'dpu-1' });
    const at = context();
    domain.followed(domain.inventory.setConnected('dpu-1', false, at), at);
    drain('dpu-1');
    expect(lifecycle('dpu-1')?.state).toBe('UNREACHABLE');
    want('dpu-1', { desired: 'RETIRED' });
    expect(lifecycle('dpu-1')?.state).toBe('RETIRED');
  });
});

describe('a workload with ports', () => {
  const ON_DPU_2 = { ...ON_DPU_1, dpu: 'dpu-2' };

  it('follows them to another DPU, drained or not, and stays where one of them is', () => {
    tellPort('p', portOf('p', ON_DPU_1, 1));
    run('one', PORT);
    drain('dpu-1');
    tellPort('p', portOf('p', ON_DPU_2, 1));
    expect([placeOf('one'), both(), standing('dpu-1')]).toEqual([
      ['dpu-2', undefined],
      [0, 1],
      'DRAINING WorkloadsRemain: workload acme/one (ending)',
    ]);
    confirm('dpu-1');
    expect(lifecycle('dpu-1')?.state).toBe('MAINTENANCE');
    want('dpu-1', { desired: 'READY' });
    tellPort('p', portOf('p', ON_DPU_1, 1));
    expect(placeOf('one')).toEqual(['dpu-1', undefined]);
  });

  it('of which one is gone holds the drain until it has ended', () => {
    tellPort('p', portOf('p', ON_DPU_1, 1));
    run('one', PORT);
    tellPort('p', undefined);
    expect([placeOf('one'), domain.inventory.dpu('dpu-1')?.status.endingWorkloads.length]).toEqual([
      ['dpu-1', undefined],
      1,
    ]);
    drain('dpu-1');
    expect([placeOf('one'), standing('dpu-1')]).toEqual([
      ['dpu-2', undefined],
      'DRAINING WorkloadsRemain: workload acme/one (ending)',
    ]);
    confirm('dpu-1');
    expect(lifecycle('dpu-1')?.state).toBe('MAINTENANCE');
  });
});

describe('that a workload has ended', () => {
  const ending = () => domain.inventory.dpu('dpu-1')?.status.endingWorkloads.map(({ name }) => name);
  const forced = () => drain('dpu-1', { forceDrain: true });

  it('is not said by what its DPU had applied before it was to end, or by a list that was cut', () => {
    run('one', { dpu: 'dpu-1' });
    documentOf('dpu-1');
    const before = { sequence: domain.documentHead('dpu-1' as Name).sequence };
    forced();
    confirm('dpu-1', [], before);
    confirm('dpu-1', [], { problemTotal: 1 });
    // Nor by one that does not know yet what a former run has left.
    confirm('dpu-1', ['workloads']);
    expect(ending()).toEqual(['one']);
    confirm('dpu-1');
    expect(ending()).toEqual([]);
  });

  it('is not said by what a DPU had applied that gets nothing any more', () => {
    run('one', { dpu: 'dpu-1' });
    documentOf('dpu-1');
    const before = { sequence: domain.documentHead('dpu-1' as Name).sequence };
    unwrap(domain.decide(commandOf('dpu-1', { approved: false }), context()));
    confirm('dpu-1', [], before);
    expect(ending()).toEqual(['one']);
  });

  it('is waited for across a restart, which knows no sequence any more but its own', () => {
    run('one', { dpu: 'dpu-1' });
    forced();
    documentOf('dpu-1');
    const { sequence } = domain.documentHead('dpu-1' as Name);
    domain.reload([...domain.inventory.dpus(), found('one')], nextRevision());
    expect([ending(), lifecycle('dpu-1')?.state]).toEqual([['one'], 'DRAINING']);
    confirm('dpu-1', [], { sequence });
    expect(ending()).toEqual(['one']);
    confirm('dpu-1');
    expect([ending(), lifecycle('dpu-1')?.state]).toEqual([[], 'MAINTENANCE']);
  });

  it('is no matter any more when it is to run there again', () => {
    run('one', { dpu: 'dpu-1' });
    forced();
    want('dpu-1', { desired: 'READY' });
    expect([ending(), placeOf('one')]).toEqual([[], ['dpu-1', undefined]]);
  });

  it('cannot be told by a dead DPU: in maintenance that is only by force, and it says so', () => {
    run('one');
    tell('dpu-1', 'one', {});
    const at = context();
    domain.followed(domain.inventory.setConnected('dpu-1', false, at), at);
    drain('dpu-1');
    tell('dpu-2', 'one', {});
    expect([placeOf('one'), lifecycle('dpu-1')]).toMatchObject([
      ['dpu-2', undefined],
      { state: 'UNREACHABLE', message: expect.stringContaining('1 to leave: workload acme/one (ending)') },
    ]);
    forced();
    expect(lifecycle('dpu-1')).toMatchObject({ state: 'MAINTENANCE', reason: 'EndUnconfirmed' });
    const back = context();
    domain.followed(domain.inventory.setConnected('dpu-1', true, back), back);
    confirm('dpu-1');
    expect(lifecycle('dpu-1')).toMatchObject({ state: 'MAINTENANCE', reason: 'NothingRemains' });
  });

  it('is asked of the last 256 at most', () => {
    for (let index = 0; index < 300; index++) {
      run(`w-${index}`, { dpu: 'dpu-1', resources: { cpuMillicores: 10, memoryMebibytes: 4 } });
      unwrap(remove('Workload', `w-${index}`));
    }
    expect([ending()?.length, ending()?.at(-1)]).toEqual([256, 'w-299']);
  });
});

it('a dry run of a drain tells what would move, and moves nothing', () => {
  run('one');
  unwrap(apply('WorkloadConfiguration', 'level', { workload: 'one', interface: 'rules', configuration: {} }));
  const before = [placeOf('one'), both(), standing('dpu-1')];
  const plan = unwrap(domain.plan(commandOf('dpu-1', { lifecycle: { desired: 'MAINTENANCE' } }), context()));
  expect(plan).toMatchObject({ changed: ['Dpu/_/dpu-1', 'Workload/acme/one', 'Dpu/_/dpu-2'] });
  expect([placeOf('one'), both(), standing('dpu-1')]).toEqual(before);
});
