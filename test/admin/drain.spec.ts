import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LocalStack, type Workspace } from '@outboard/local-stack';
import { type Pod, waitReachable, waitUntil } from '@outboard/testbed';
import { DpuFleet } from './dpu-fleet.js';
import { PROGRAMS, processesWith, readyOf, WorkloadSite } from './workload-site.js';

const DPUS = ['dpu-1', 'dpu-2'].map((name, index) => ({
  name,
  serialNumber: `OB-DRAIN-${index + 1}`,
  pfMacAddress: `02:0b:00:00:0${index + 1}:00`,
  functions: 2,
}));
const CNF = { command: [process.execPath, `${PROGRAMS}/cnf.mjs`], terminationGraceSeconds: 1 };
/** One that does not end when it is told to, but shows that it was. */
const STUBBORN = {
  command: ['/bin/sh', '-c', 'trap "TOLD_TO_END=yes sleep 1000 &" TERM; while :; do sleep 0.1; done'],
  terminationGraceSeconds: 300,
};
const PORT_MAC = '02:00:5e:00:20:05';

/** Everything runs for real: containers on two DPUs, of which one is drained and then the other. */
describe('workloads of a DPU that is drained', () => {
  let stack: LocalStack;
  let site: WorkloadSite;
  let fleet: DpuFleet;
  let acme: Workspace;
  let pod: Pod;

  const placeOf = (dpu: number, function_: object) => {
    const { serialNumber, pfMacAddress } = DPUS[dpu - 1] ?? { serialNumber: '', pfMacAddress: '' };
    return { serialNumber, pfMacAddress, ...function_ };
  };
  const port = (name: string, dpu: number, function_: object, more: object = {}) => ({
    kind: 'Port' as const,
    metadata: { name },
    spec: { network: 'red', function: placeOf(dpu, function_), ...more },
  });
  const standing = (dpu: string): string | undefined => fleet.dpu(dpu).status.lifecycle?.message;
  const drain = (dpu: string, more: object = {}): Promise<void> =>
    fleet.want(dpu, { lifecycle: { desired: 'MAINTENANCE', ...more } });

  beforeAll(async () => {
    stack = await LocalStack.start({ name: 'drain', dpus: DPUS, workloadDirectories: [PROGRAMS] });
    site = await WorkloadSite.open(stack);
    fleet = await DpuFleet.open(stack);
    acme = await stack.workspace('acme');
    await site.apply('FunctionPool', 'workloads', { attachment: 'DPU', minimumFree: 1, maximum: 4 });
    await acme.apply(
      { kind: 'Network', metadata: { name: 'red' }, spec: {} },
      { kind: 'Subnet', metadata: { name: 'red-v4' }, spec: { network: 'red', cidr: '10.9.0.0/24' } },
      port('pod', 2, { vfNumber: 0 }),
      port('fw', 1, { sfNumber: 1 }, { macAddress: PORT_MAC }),
    );
    pod = await acme.connectPod('pod');
    await site.apply('Workload', 'fw', { ...CNF, interfaces: [{ name: 'eth0', port: 'fw' }] });
    await site.ready('fw', ({ status }) => status.dpu === 'dpu-1');
    // The other DPU takes nothing yet, so that these begin here.
    await drain('dpu-2');
    await site.apply('Workload', 'pinned', { ...STUBBORN, dpu: 'dpu-1' });
    await site.apply('Workload', 'mover', CNF);
    await site.ready('pinned');
    await site.ready('mover', ({ status }) => status.dpu === 'dpu-1' && status.interfaces.length > 0);
    const level = { workload: 'mover', interface: 'echo', configuration: { level: 3 } };
    await site.apply('WorkloadConfiguration', 'level', level);
    await site.configured('level', ({ status: { appliedGeneration } }) => appliedGeneration === 1);
    await fleet.want('dpu-2', {});
    await fleet.untilState('dpu-2', 'READY');
  }, 120_000);

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 60_000);

  it('run on the other one, configured as they are, before they are stopped, and answer all the time', async () => {
    const failures: unknown[] = [];
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        const answer = await site.call('mover', 'echo', 'configuration');
        if (JSON.stringify(answer) !== '{"configuration":{"level":3}}') failures.push(answer);
      }
    })();
    await drain('dpu-1');
    const moved = await site.ready('mover', ({ status }) => status.dpu === 'dpu-2');
    expect(moved.status.movingTo).toBeUndefined();
    await waitUntil('only the new one runs', async () => {
      const running = processesWith('OUTBOARD_WORKLOAD=mover').length;
      return running === 1 ? undefined : `${running} do`;
    });
    isOver = true;
    await asking;
    expect(failures).toEqual([]);
  }, 60_000);

  it('hold the drain by their names where they are pinned to it, or have their ports there', async () => {
    await waitUntil('it says who is left', async () => {
      const expected =
        '3 to leave: port acme/fw, workload acme/fw (has its ports there), workload acme/pinned (pinned to it)';
      return standing('dpu-1') === expected ? undefined : standing('dpu-1');
    });
    expect(fleet.dpu('dpu-1').status.lifecycle?.reason).toBe('PortsRemain');
    expect(processesWith('OUTBOARD_WORKLOAD=fw')).toHaveLength(1);
  });

  it('follow their ports, and are reached there by packets', async () => {
    await acme.apply(port('fw', 2, { sfNumber: 1 }, { macAddress: PORT_MAC }));
    const { status } = await site.ready('fw', ({ status }) => status.dpu === 'dpu-2');
    await waitReachable(pod, status.ports[0]?.addresses[0]?.split('/')[0] ?? '');
    await waitUntil('only the pinned one is left', async () =>
      standing('dpu-1') === '1 to leave: workload acme/pinned (pinned to it)' ? undefined : standing('dpu-1'),
    );
  }, 60_000);

  const untilToldToEnd = (): Promise<void> =>
    waitUntil('it was told to end', async () =>
      processesWith('TOLD_TO_END=yes').length === 1 ? undefined : 'it was not',
    );
  const restarted = async (service: string): Promise<void> => {
    await stack.stack.kill(service);
    await stack.stack.restart(service);
  };

  it('are stopped when the drain is forced, and waited for until they have ended, also by a new admin', async () => {
    await drain('dpu-1', { forceDrain: true });
    await untilToldToEnd();
    await restarted('admin');
    await site.until('has left', 'pinned', ({ status }) => status.dpu === undefined);
    expect(fleet.dpu('dpu-1').status).toMatchObject({
      endingWorkloads: [{ tenant: 'acme', name: 'pinned' }],
      lifecycle: { state: 'DRAINING', message: '1 to leave: workload acme/pinned (ending)' },
    });
    // Of one with a process namespace of its own all go with the first.
    process.kill(Math.min(...processesWith('OUTBOARD_WORKLOAD=pinned')), 'SIGKILL');
    await fleet.untilState('dpu-1', 'MAINTENANCE');
    expect(processesWith('OUTBOARD_WORKLOAD=pinned')).toEqual([]);
    expect(fleet.dpu('dpu-1').status).toMatchObject({
      endingWorkloads: [],
      lifecycle: { reason: 'NothingRemains' },
    });
    expect(readyOf(await site.workload('pinned')).reason).toBe('DpuUnavailable');
  }, 60_000);

  it('run again when the DPU is used again; when their worker is killed, the next one ends them', async () => {
    await fleet.want('dpu-1', {});
    await site.ready('pinned', ({ status }) => status.dpu === 'dpu-1');
    await drain('dpu-1', { forceDrain: true });
    await untilToldToEnd();
    await restarted('dataplane-worker/dpu-1');
    await fleet.untilState('dpu-1', 'MAINTENANCE');
    expect(processesWith('OUTBOARD_WORKLOAD=pinned')).toEqual([]);
    await fleet.want('dpu-1', {});
    await site.ready('pinned', ({ status }) => status.dpu === 'dpu-1');
  }, 60_000);
});
