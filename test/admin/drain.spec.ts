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
    await site.apply('Workload', 'pinned', { ...CNF, dpu: 'dpu-1' });
    await site.apply('Workload', 'mover', CNF);
    for (const name of ['pinned', 'mover'])
      await site.ready(name, ({ status }) => status.dpu === 'dpu-1' && status.interfaces.length > 0);
    await fleet.want('dpu-2', {});
    await fleet.untilState('dpu-2', 'READY');
  }, 120_000);

  afterAll(async () => {
    await fleet?.[Symbol.asyncDispose]();
    await stack?.[Symbol.asyncDispose]();
  }, 60_000);

  it('run on the other one before they are stopped, and answer all the time', async () => {
    const failures: unknown[] = [];
    let isOver = false;
    const asking = (async () => {
      while (!isOver) {
        const answer = await site.call('mover', 'echo', 'say', { text: 'there' });
        if (JSON.stringify(answer) !== '{"text":"there"}') failures.push(answer);
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

  it('are stopped when the drain is forced, and run again when the DPU is used again', async () => {
    await drain('dpu-1', { forceDrain: true });
    await fleet.untilState('dpu-1', 'MAINTENANCE');
    await waitUntil('it is stopped', async () => {
      const running = processesWith('OUTBOARD_WORKLOAD=pinned').length;
      return running === 0 ? undefined : `${running} run`;
    });
    expect(readyOf(await site.workload('pinned')).reason).toBe('DpuUnavailable');
    await fleet.want('dpu-1', {});
    await site.ready('pinned', ({ status }) => status.dpu === 'dpu-1');
  }, 60_000);
});
