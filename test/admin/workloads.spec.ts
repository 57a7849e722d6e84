import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { type Pod, waitReachable, waitUntil } from '@outboard/testbed';
import { PROGRAMS, processesWith, readyOf, WorkloadSite } from './workload-site.js';

const [DPU, OTHER] = [1, 2].map((number) => ({
  name: `dpu-${number}`,
  serialNumber: `OB-WL-${number}`,
  pfMacAddress: `02:0b:00:00:0${number}:00`,
  functions: 2,
})) as [DpuOfTest, DpuOfTest];
type DpuOfTest = { name: string; serialNumber: string; pfMacAddress: string; functions: number };

const WORKER = `dataplane-worker/${DPU.name}`;
const CNF = { command: [process.execPath, `${PROGRAMS}/cnf.mjs`], terminationGraceSeconds: 1 };

/** Everything runs for real: containers on the DPUs, called over the bus and reached by packets. */
describe('workloads on DPUs', () => {
  let stack: LocalStack;
  let site: WorkloadSite;
  let acme: Workspace;
  let pod: Pod;

  beforeAll(async () => {
    stack = await LocalStack.start({
      name: 'workloads',
      dpus: [DPU, OTHER],
      workloadDirectories: [PROGRAMS],
      leaseMilliseconds: 3_000,
    });
    site = await WorkloadSite.open(stack);
    acme = await stack.workspace('acme');
    await site.apply('FunctionPool', 'workloads', { attachment: 'DPU', minimumFree: 2, maximum: 8 });
    const { serialNumber, pfMacAddress } = DPU;
    const port = (name: string, place: object) => ({
      kind: 'Port' as const,
      metadata: { name },
      spec: { network: 'red', function: { serialNumber, pfMacAddress, ...place } },
    });
    await acme.apply(
      { kind: 'Network', metadata: { name: 'red' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.9.0.0/24' } },
      port('pod', { vfNumber: 0 }),
    );
    pod = await acme.connectPod('pod');
    await site.apply('Workload', 'echo', {
      ...CNF,
      dpu: DPU.name,
      interfaces: [{ name: 'eth0', port: 'echo' }],
    });
    const waiting = await site.until(
      'waits for its port',
      'echo',
      (each) => readyOf(each).reason === 'PortsMissing',
    );
    expect(readyOf(waiting).message).toContain('port echo');
    await acme.apply(port('echo', { sfNumber: 1 }));
  }, 90_000);

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
  }, 60_000);

  /** Resolves when the CNF says back what it is told. */
  const answers = (said: { readonly text: string }): Promise<void> =>
    waitUntil('the CNF answers', async () => {
      const answer = JSON.stringify(await site.call('echo', 'echo', 'say', said));
      return answer === JSON.stringify(said) ? undefined : answer;
    });

  it('one waits for its port, and then runs with the address that the port has, reached by packets', async () => {
    const { status } = await site.ready('echo', ({ status: { interfaces } }) => interfaces.length === 1);
    expect(status).toMatchObject({ dpu: DPU.name, state: 'RUNNING', restarts: 0 });
    expect(status.isolation).toMatchObject({ limits: ['cpu', 'memory', 'processes'] });
    await waitReachable(pod, status.ports[0]?.addresses[0]?.split('/')[0] ?? '');
    expect(await site.logs('echo')).toEqual(['listening']);
  }, 60_000);

  it('what it publishes is found in its status, called over the bus, and configured as its schema says', async () => {
    const { status } = await site.workload('echo');
    expect(status.interfaces).toMatchObject([
      { name: 'echo', version: '1.0.0', yangCheck: expect.stringMatching(/^VALID|^INVALID/) },
    ]);
    expect(await site.call('echo', 'echo', 'say', { text: 'hello' })).toEqual({ text: 'hello' });
    expect(await site.call('echo', 'echo', 'say', { text: 1 })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await site.call('echo', 'other', 'say')).toMatchObject({
      code: 'NOT_FOUND',
      message: 'cnf acme/echo does not publish other now',
    });
    const level = (value: unknown) => ({
      workload: 'echo',
      interface: 'echo',
      configuration: { level: value },
    });
    const refused = await site.tryApply('WorkloadConfiguration', 'level', level(11));
    expect(refused).toMatchObject({ ok: false, error: { reason: 'SCHEMA_MISMATCH' } });
    expect(await site.plan('WorkloadConfiguration', 'level', level(7))).toMatchObject({
      ok: false,
      error: { code: 'INVALID_ARGUMENT', message: 'echo: seven is taken' },
    });
    await site.apply('WorkloadConfiguration', 'level', level(3));
    await site.configured('level', ({ status: { appliedGeneration } }) => appliedGeneration === 1);
    expect(await site.call('echo', 'echo', 'configuration')).toEqual({ configuration: { level: 3 } });
    await site.apply('WorkloadConfiguration', 'level', level(7));
    const told = await site.configured('level', (each) => readyOf(each).reason === 'Refused');
    expect(readyOf(told).message).toContain('seven is taken');
    expect(told.status.appliedGeneration).toBe(1);
    await site.apply('WorkloadConfiguration', 'level', level(4));
    await site.configured('level', ({ status: { appliedGeneration } }) => appliedGeneration === 3);
  }, 60_000);

  it('it goes on while its worker is killed, and is found again', async () => {
    const before = processesWith('OUTBOARD_WORKLOAD=echo');
    expect(before).toHaveLength(1);
    await stack.stack.kill(WORKER);
    const address = (await site.workload('echo')).status.ports[0]?.addresses[0]?.split('/')[0] ?? '';
    await waitReachable(pod, address);
    const unreachable = await site.until(
      'is unreachable',
      'echo',
      (each) => readyOf(each).reason === 'DpuUnreachable',
    );
    expect(readyOf(unreachable).message).toContain(DPU.name);
    expect(await site.call('echo', 'echo', 'say', { text: 'hello' })).toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'DPU_UNREACHABLE',
    });
    await stack.stack.restart(WORKER);
    const { status } = await site.ready('echo', ({ status: { interfaces } }) => interfaces.length === 1);
    expect(status.restarts).toBe(0);
    expect(processesWith('OUTBOARD_WORKLOAD=echo')).toEqual(before);
    await answers({ text: 'again' });
  }, 60_000);

  it('it is started again when it is killed, and has its configuration again; meanwhile callers are told', async () => {
    for (const pid of processesWith('OUTBOARD_WORKLOAD=echo')) process.kill(pid, 'SIGKILL');
    await site.until('backs off', 'echo', ({ status: { state } }) => state === 'BACKOFF');
    // It backs off for a second only: by now it may run again, and publish nothing yet.
    expect([
      'cnf acme/echo does not run: it is BACKOFF',
      'cnf acme/echo does not run: it is STARTING',
      'cnf acme/echo does not publish echo now',
    ]).toContain(
      ((await site.call('echo', 'echo', 'say', { text: 'hello' })) as { message?: string }).message,
    );
    const { status } = await site.ready('echo', ({ status: { interfaces } }) => interfaces.length === 1);
    expect(status).toMatchObject({
      restarts: 1,
      lastTermination: { reason: 'SIGNALLED', signal: 'SIGKILL' },
    });
    await waitUntil('it is configured again', async () => {
      const answered = JSON.stringify(await site.call('echo', 'echo', 'configuration'));
      return answered === '{"configuration":{"level":4}}' ? undefined : answered;
    });
  }, 60_000);

  it('a DPU that reboots runs it again, with its port', async () => {
    await stack.testbed.rebootDpu(DPU.name);
    expect(processesWith('OUTBOARD_WORKLOAD=echo').length).toBeLessThanOrEqual(1);
    const { status } = await site.ready('echo', ({ status: { interfaces } }) => interfaces.length === 1);
    await waitUntil('the pod has its function again', async () => {
      await pod.detach();
      await acme.attachPod(pod, await acme.ready('pod'));
      return undefined;
    });
    await waitReachable(pod, status.ports[0]?.addresses[0]?.split('/')[0] ?? '');
  }, 90_000);

  it('without a DPU by name it is placed where there is room, or waits with the numbers', async () => {
    const resources = { cpuMillicores: 10, memoryMebibytes: 1_000_000 };
    await site.apply('Workload', 'large', { ...CNF, resources });
    const waiting = await site.until(
      'has no room',
      'large',
      (each) => readyOf(each).reason === 'InsufficientResources',
    );
    expect(readyOf(waiting).message).toMatch(
      /^it needs 10 millicores and 1000000 MiB; free are: dpu-\d has \d+ and \d+; dpu-\d has \d+ and \d+$/,
    );
    await site.apply('Workload', 'large', { ...CNF, resources: { cpuMillicores: 10, memoryMebibytes: 96 } });
    const { status } = await site.ready('large');
    expect(status.dpu).toBe(OTHER.name);
    await site.delete('Workload', 'large');
  }, 60_000);

  it('a crash loop, a fork bomb and a hungry one hurt nobody else, and are told', async () => {
    const shell = (script: string, more: object = {}) => ({
      command: ['/bin/sh', '-c', script],
      dpu: DPU.name,
      terminationGraceSeconds: 1,
      ...more,
    });
    await site.apply('Workload', 'crash', shell('echo oh; exit 3'));
    await site.apply(
      'Workload',
      'bomb',
      shell('bomb() { bomb | bomb & }; bomb; sleep 1000', { resources: { processes: 32 } }),
    );
    const hungry = {
      // It looks for the end of a line without end; its own pages are few, so that nothing can be taken back.
      command: ['/usr/bin/tail', '/dev/zero'],
      dpu: DPU.name,
      resources: { memoryMebibytes: 100 },
    };
    await site.apply('Workload', 'hungry', hungry);
    const looping = await site.until(
      'is in a crash loop',
      'crash',
      (each) => readyOf(each).reason === 'CrashLoop',
    );
    expect(readyOf(looping).message).toMatch(/ended \d+ times in a row.*exit code 3, oh/);
    await site.until(
      'has run out of memory',
      'hungry',
      ({ status }) => status.lastTermination?.reason === 'OUT_OF_MEMORY',
    );
    await site.until('runs', 'bomb', ({ status }) => status.state !== undefined);
    expect(await site.call('echo', 'echo', 'say', { text: 'unharmed' })).toEqual({ text: 'unharmed' });
    for (const name of ['crash', 'bomb', 'hungry']) await site.delete('Workload', name);
    await waitUntil('nothing is left of them', async () => {
      const left = ['crash', 'bomb', 'hungry'].filter(
        (name) => processesWith(`OUTBOARD_WORKLOAD=${name}`).length > 0,
      );
      return left.length === 0 ? undefined : left.join(', ');
    });
  }, 90_000);

  it('one that something configures is not deleted; then nothing of it is left', async () => {
    await expect(site.delete('Workload', 'echo')).rejects.toMatchObject({ reason: 'IN_USE' });
    await site.delete('WorkloadConfiguration', 'level');
    await site.delete('Workload', 'echo');
    await waitUntil('it is gone', async () => {
      const spaces = await stack.testbed.dpu(DPU.name).machine.namespaces();
      const left = spaces.filter((name) => name.startsWith('workload-'));
      return left.length === 0 && processesWith('OUTBOARD_WORKLOAD=echo').length === 0
        ? undefined
        : left.join();
    });
    expect(await site.call('echo', 'echo', 'say')).toMatchObject({ code: 'NOT_FOUND' });
  }, 60_000);
});
