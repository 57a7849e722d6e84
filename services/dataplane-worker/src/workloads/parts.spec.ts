import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from '@jest/globals';
import {
  InfraWorkloadSchema,
  InterfaceConfigurationSchema,
  VirtualFunctionsSchema,
} from '@outboard/contracts';
import { ManualClock } from '@outboard/testkit';
import type { WantedFunctions, WantedWorkload } from '@outboard/workloads';
import { FunctionsPart } from './functions-part.js';
import { ConfigurationsPart, WorkloadsPart } from './workloads-part.js';

const SOURCE = { kind: 'Workload', tenant: 'acme', name: 'one' };
const workload = (uid: string, more: MessageInitShape<typeof InfraWorkloadSchema> = {}) => ({
  key: `workload/${uid}`,
  source: SOURCE,
  value: create(InfraWorkloadSchema, {
    uid,
    tenant: 'acme',
    name: 'one',
    command: ['/bin/true'],
    cpuMillicores: 100,
    memoryMebibytes: 64,
    processes: 64,
    terminationGraceSeconds: 10,
    restartPolicy: 'ALWAYS',
    ...(more as object),
  }),
});

describe('workloads of the document', () => {
  const wanted: [string, WantedWorkload | undefined][] = [];
  let pruned = 0;
  const part = new WorkloadsPart(
    {
      want: (uid, each) => wanted.push([uid, each]),
      prune: async () => {
        pruned++;
      },
    },
    () => {},
  );

  it('are handed on, and taken away when they leave; what was left before is pruned once, when all are known', () => {
    part.want([workload('u1')], false);
    expect(pruned).toBe(0);
    part.want([workload('u1'), workload('u2')], true);
    part.want([workload('u2')], true);
    expect(pruned).toBe(1);
    expect(wanted.map(([uid, each]) => [uid, each?.command])).toEqual([
      ['u1', ['/bin/true']],
      ['u1', ['/bin/true']],
      ['u2', ['/bin/true']],
      ['u2', ['/bin/true']],
      ['u1', undefined],
    ]);
  });

  it('that break rules are told with all of them, and the others go on', () => {
    wanted.length = 0;
    const broken = workload('u3', {
      command: [],
      restartPolicy: 'MAYBE',
      interfaces: [{ name: 'a/b', representor: 'up0' }],
    });
    part.want([broken, workload('u2')], true);
    expect(wanted.map(([uid]) => uid)).toEqual(['u2']);
    expect(part.problems()).toMatchObject([{ key: 'workload/u3', source: SOURCE, state: 'UNSUPPORTED' }]);
    for (const rule of ['restart_policy', 'command', 'interfaces[0].name', 'interfaces[0].representor'])
      expect(part.problems()[0]?.message).toContain(rule);
  });
});

it('configurations are handed on, and taken away when they leave', () => {
  const told: [string, unknown][] = [];
  const part = new ConfigurationsPart({ configure: (uid, each) => told.push([uid, each?.configuration]) });
  const value = create(InterfaceConfigurationSchema, {
    uid: 'c1',
    workloadUid: 'u1',
    configuration: { level: 3 },
  });
  part.want([{ key: 'workloadconfiguration/c1', source: SOURCE, value }]);
  part.want([]);
  expect(told).toEqual([
    ['c1', { level: 3 }],
    ['c1', undefined],
  ]);
});

describe('functions of the document', () => {
  const pool = (...sfNumbers: number[]) => ({
    key: 'virtualfunctions/pool',
    source: SOURCE,
    value: create(VirtualFunctionsSchema, { sfNumbers }),
  });

  it('are made, and what is not made yet, foreign or failing is told', async () => {
    let answer: () => Promise<readonly string[]> = async () => ['pf0sf2'];
    const asked: number[][] = [];
    const settle = (pools: Iterable<WantedFunctions>) => {
      asked.push([...pools].flatMap(({ sfNumbers }) => sfNumbers));
      return answer();
    };
    const clock = new ManualClock();
    const part = new FunctionsPart({ settle }, clock);
    let changed = (): void => {};
    const change = (): Promise<void> =>
      new Promise((resolve) => {
        changed = resolve;
      });
    part.onChange(() => changed());
    let next = change();
    part.want([pool(1, 2)], true);
    expect(part.problems()).toMatchObject([{ isUnderWay: true }]);
    await next;
    expect(part.problems()).toMatchObject([{ state: 'FOREIGN', message: 'not made by this worker: pf0sf2' }]);
    answer = () => Promise.reject(new Error('no room'));
    next = change();
    part.want([pool(1)], true);
    await next;
    expect(part.problems()).toMatchObject([{ state: 'PENDING', message: 'no room' }]);
    answer = async () => [];
    next = change();
    await new Promise(setImmediate);
    await clock.advance(2_000);
    await next;
    expect(part.problems()).toEqual([]);
    expect(asked).toEqual([[1, 2], [1], [1]]);
    await part[Symbol.asyncDispose]();
  });

  it('are looked for now and then while somebody wants them, and not once nobody does', async () => {
    let looked = (): void => {};
    let looks = 0;
    const settle = async (): Promise<string[]> => {
      looks++;
      looked();
      return [];
    };
    const look = (): Promise<void> =>
      new Promise((resolve) => {
        looked = resolve;
      });
    const clock = new ManualClock();
    const part = new FunctionsPart({ settle }, clock);
    part.want([pool(1)], true);
    await new Promise(setImmediate);
    const again = look();
    await clock.advance(10_000);
    await again;
    const without = look();
    part.want([], true);
    await without;
    await new Promise(setImmediate);
    await clock.advance(60_000);
    await new Promise(setImmediate);
    expect(looks).toBe(3);
    await part[Symbol.asyncDispose]();
  });

  it('of an owner that does not know the DPU are left as they are', () => {
    let calls = 0;
    const settle = async (): Promise<string[]> => {
      calls++;
      return [];
    };
    new FunctionsPart({ settle }, new ManualClock()).want([], false);
    expect(calls).toBe(0);
  });
});
