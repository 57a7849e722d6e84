import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InfraWorkloadSchema,
  InterfaceConfigurationSchema,
  VirtualFunctionsSchema,
} from '@outboard/contracts';
import { ManualClock } from '@outboard/testkit';
import type { WantedFunctions, WantedWorkload, WorkloadSummary } from '@outboard/workloads';
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

/** A host of workloads on which nothing happens but what a test says. */
class StubHost {
  readonly wanted: [string, WantedWorkload | undefined][] = [];
  readonly here = new Set<string>();
  readonly prunes: { resolve(): void; reject(failure: Error): void }[] = [];
  #tell: (uid: string) => void = () => {};

  want(uid: string, workload: WantedWorkload | undefined): void {
    this.wanted.push([uid, workload]);
    if (workload !== undefined) this.here.add(uid);
  }
  prune(): Promise<void> {
    return new Promise((resolve, reject) => this.prunes.push({ resolve, reject }));
  }
  summary(uid: string): WorkloadSummary | undefined {
    return this.here.has(uid) ? ({ uid } as WorkloadSummary) : undefined;
  }
  onChange(listener: (uid: string) => void): Disposable {
    this.#tell = listener;
    return { [Symbol.dispose]: () => {} };
  }
  end(uid: string): void {
    this.here.delete(uid);
    this.#tell(uid);
  }
}

describe('workloads of the document', () => {
  let host: StubHost;
  let clock: ManualClock;
  let part: WorkloadsPart;
  let failures: unknown[];
  let changes: number;
  beforeEach(() => {
    host = new StubHost();
    clock = new ManualClock();
    failures = [];
    changes = 0;
    part = new WorkloadsPart(host, clock, (failure) => failures.push(failure));
    part.onChange(() => changes++);
  });
  afterEach(() => part[Symbol.dispose]());
  const pruned = async (): Promise<void> => {
    host.prunes.at(-1)?.resolve();
    await new Promise(setImmediate);
  };

  it('are handed on, and taken away when they leave; what was left before is pruned once, when all are known', async () => {
    part.want([workload('u1')], false);
    expect(host.prunes).toHaveLength(0);
    part.want([workload('u1'), workload('u2')], true);
    part.want([workload('u2')], true);
    await pruned();
    part.want([workload('u2')], true);
    expect(host.prunes).toHaveLength(1);
    expect(host.wanted.map(([uid, each]) => [uid, each?.command])).toEqual([
      ['u1', ['/bin/true']],
      ['u1', ['/bin/true']],
      ['u2', ['/bin/true']],
      ['u2', ['/bin/true']],
      ['u1', undefined],
      ['u2', ['/bin/true']],
    ]);
  });

  it('that leave are told to be under way until they have ended, unless they are wanted again', async () => {
    part.want([workload('u1'), workload('u2')], true);
    await pruned();
    expect([part.problems(), changes]).toEqual([[], 1]);
    part.want([], true);
    const ending = { source: SOURCE, state: 'PENDING', isUnderWay: true };
    expect(part.problems()).toMatchObject([
      { key: 'workload/u1', ...ending },
      { key: 'workload/u2', ...ending },
    ]);
    host.end('u1');
    expect([part.problems().map(({ key }) => key), changes]).toEqual([['workload/u2'], 2]);
    part.want([workload('u2')], true);
    expect(part.problems()).toEqual([]);
    // One that was not there at all has nothing to end.
    host.here.delete('u2');
    part.want([], true);
    expect(part.problems()).toEqual([]);
  });

  it('are not told to have ended before what a former run left is removed, which is tried until it is', async () => {
    part.want([], true);
    const leftovers = [{ key: 'workloads', state: 'PENDING', isUnderWay: true }];
    expect(part.problems()).toMatchObject(leftovers);
    host.prunes[0]?.reject(new Error('busy'));
    await new Promise(setImmediate);
    expect([failures, part.problems()]).toMatchObject([[{ message: 'busy' }], leftovers]);
    await clock.advance(2_000);
    expect(host.prunes).toHaveLength(2);
    await pruned();
    expect([part.problems(), changes]).toEqual([[], 1]);
  });

  it('that break rules are told with all of them, and the others go on', async () => {
    const broken = workload('u3', {
      command: [],
      restartPolicy: 'MAYBE',
      interfaces: [{ name: 'a/b', representor: 'up0' }],
    });
    part.want([broken, workload('u2')], true);
    await pruned();
    expect(host.wanted.map(([uid]) => uid)).toEqual(['u2']);
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
