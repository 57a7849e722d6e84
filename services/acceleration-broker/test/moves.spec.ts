import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { BrokerLaboratory, COMPRESS } from './broker-laboratory.js';

let laboratory: BrokerLaboratory;
beforeEach(async () => {
  laboratory = await BrokerLaboratory.open();
});
afterEach(() => laboratory.close());

const put = async (...args: Parameters<BrokerLaboratory['neighbours']['putDpu']>) => {
  await laboratory.neighbours.putDpu(...args);
  await laboratory.quiet();
};

it('a session is placed with its port, on the same host before elsewhere, and only where its affinity lets it', async () => {
  await put('dpu-a', { host: 'one' });
  await put('dpu-b', { host: 'one' });
  await put('dpu-c', { host: 'two', megabytesPerSecond: 9_000 });
  await laboratory.session('s', { programs: COMPRESS, holder: { port: 'web-0' } });
  expect(laboratory.where('s')).toBe('- 0 PortNotPlaced NotPlanned');
  await laboratory.neighbours.putPort('acme', 'web-0', 'dpu-a');
  await laboratory.quiet();
  expect(laboratory.where('s')).toMatch(/^dpu-a 1 Placed/);
  await put('dpu-a', { host: 'one', isConnected: false });
  expect(laboratory.where('s')).toMatch(/^dpu-b 2 Placed Moved/);
  expect(laboratory.message('s', 'Applied')).toBe(
    'from dpu-a, as dpu-a does not report, to dpu-b, when dpu-a has let it go',
  );
  await put('dpu-b', { host: 'one', isConnected: false });
  expect(laboratory.where('s')).toMatch(/^dpu-b 2 DpuUnreachable/);
  await laboratory.session('s', {
    programs: COMPRESS,
    holder: { port: 'web-0' },
    policy: { affinity: 'ANY' },
  });
  expect(laboratory.where('s')).toMatch(/^dpu-c 3 Placed/);
});

it('a session is not placed before the DPU of its port is known: what is near to that is not known either', async () => {
  await put('dpu-a', { host: 'one' });
  await laboratory.neighbours.putPort('acme', 'web-0', 'dpu-b');
  await laboratory.session('s', {
    programs: COMPRESS,
    holder: { port: 'web-0' },
    policy: { affinity: 'DPU' },
  });
  expect(laboratory.where('s')).toBe('- 0 PortNotPlaced NotPlanned');
  expect(laboratory.message('s', 'Planned')).toBe('port web-0 is on dpu-b, which is not known');
  await put('dpu-b', { host: 'one' });
  expect(laboratory.where('s')).toMatch(/^dpu-b 1 Placed/);
});

it('a session whose DPU dies moves under a new epoch, its holder is told, and it does not move back', async () => {
  await laboratory.dpus('dpu-a', 'dpu-b');
  await laboratory.session('s');
  expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
  const [lost] = [laboratory.workers.get('dpu-a')];
  if (lost) lost.isCutOff = true;
  await put('dpu-a', { isConnected: false });
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Moved');
  await laboratory.leasesEnd();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
  expect(laboratory.objects('dpu-b')).toMatchObject([{ epoch: 2 }]);
  expect(laboratory.transitions('s')).toEqual(['accepted', 'ready', 'notready', 'ready']);
  const moved = laboratory.events.find(({ transition }) => transition === 'notready');
  expect(moved?.json.status).toMatchObject({ dpu: 'dpu-b', epoch: 2 });
  // It comes back, and is told at once that it has nothing any more.
  if (lost) lost.isCutOff = false;
  await put('dpu-a');
  await lost?.sync();
  await laboratory.quiet();
  expect(laboratory.objects('dpu-a')).toEqual([]);
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
});

it('a session that has nowhere to go stays with its DPU and says so, and goes on when it is back', async () => {
  await laboratory.dpus('dpu-a');
  await laboratory.session('s');
  await put('dpu-a', { isConnected: false });
  expect(laboratory.where('s')).toBe('dpu-a 1 DpuUnreachable Serving');
  expect(laboratory.message('s', 'Planned')).toBe('dpu-a does not report; nowhere else it fits');
  expect(laboratory.objects('dpu-a')).toHaveLength(1);
  await put('dpu-a');
  expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
});

it('a DPU that shall be emptied is left by its sessions, as far as they can be elsewhere', async () => {
  await laboratory.dpus('dpu-a');
  await laboratory.session('s');
  await laboratory.session('pinned', { programs: COMPRESS, dpu: 'dpu-a' });
  await laboratory.neighbours.putDpu('dpu-b');
  await put('dpu-a', { desired: 'MAINTENANCE' });
  expect(laboratory.where('s')).toMatch(/^dpu-b 2 Placed/);
  expect(laboratory.message('s', 'Applied')).toMatch(/^from dpu-a, as dpu-a is being emptied, to dpu-b,/);
  expect(laboratory.where('pinned')).toBe('dpu-a 1 DpuUnreachable Serving');
});

it('a session leaves a DPU of which a thread stands still, and says so where it fits nowhere else', async () => {
  await laboratory.dpus('dpu-a');
  await laboratory.session('s');
  await laboratory.heartbeat('dpu-a', [], true);
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-a 1 DpuStalled Serving');
  expect(laboratory.message('s', 'Planned')).toBe('dpu-a has threads that stand still; nowhere else it fits');
  await laboratory.heartbeat('dpu-a', []);
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
  await laboratory.dpus('dpu-b');
  await laboratory.heartbeat('dpu-a', [], true);
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
  await laboratory.session('new');
  expect(laboratory.where('new')).toMatch(/^dpu-b 1 /);
});

it('REQUIRED is hardware or nothing, NEVER is software or nothing, PREFERRED takes hardware where there is some', async () => {
  await put('dpu-a');
  const session = (offload: string) =>
    laboratory.session(offload.toLowerCase(), { programs: COMPRESS, policy: { offload } });
  await session('REQUIRED');
  expect(laboratory.where('required')).toBe('- 0 NoHardware NotPlanned');
  await put('dpu-b', { implementation: 'HARDWARE', megabytesPerSecond: 1 });
  expect(laboratory.where('required')).toMatch(/^dpu-b 1 Placed/);
  await session('PREFERRED');
  expect(laboratory.found('preferred').status).toMatchObject({
    dpu: 'dpu-b',
    offload: { asked: 'PREFERRED', granted: 'HARDWARE', reason: 'dpu-b does every step in hardware' },
  });
  await session('NEVER');
  expect(laboratory.found('never').status).toMatchObject({
    dpu: 'dpu-a',
    offload: { granted: 'SOFTWARE', reason: 'as asked for' },
  });
  await put('dpu-b', { implementation: 'HARDWARE', hasSoftware: true, megabytesPerSecond: 5_000 });
  await laboratory.session('never-b', { programs: COMPRESS, policy: { offload: 'NEVER' } });
  expect(laboratory.found('never-b').status).toMatchObject({
    dpu: 'dpu-b',
    offload: { granted: 'SOFTWARE', reason: 'as asked for' },
    programs: [{ steps: [{ implementation: 'SOFTWARE_NATIVE' }] }],
  });
  // The hardware fails: what only prefers it is degraded, with the reason.
  await put('dpu-b', { implementation: 'HARDWARE', isConnected: false });
  expect(laboratory.found('preferred').status).toMatchObject({
    dpu: 'dpu-a',
    offload: { granted: 'SOFTWARE' },
  });
  expect(laboratory.where('required')).toMatch(/^dpu-b 1 DpuUnreachable/);
});

it('sessions share the speed that there is: a new one goes where it would get the most for its weight', async () => {
  await put('dpu-a', { megabytesPerSecond: 1_000 });
  await put('dpu-b', { megabytesPerSecond: 3_000 });
  const places: (string | undefined)[] = [];
  for (let index = 0; index < 8; index++) places.push((await laboratory.session(`s${index}`)).status.dpu);
  const count = (dpu: string) => places.filter((place) => place === dpu).length;
  expect([count('dpu-a'), count('dpu-b')]).toEqual([2, 6]);
});

it('many sessions of a DPU that dies move in several commits, each once', async () => {
  await put('dpu-a');
  await laboratory.apply('AccelerationQuota', 'acme', { maxSessions: 1_000 });
  const bodies = Array.from({ length: 600 }, (_, index) =>
    laboratory.manifest('AccelerationSession', `s${index}`, { programs: COMPRESS }),
  );
  const answers = bodies.map((body) => laboratory.send('create', 'AccelerationSession', body));
  for (const answer of await Promise.all(answers)) unwrap(answer);
  await put('dpu-b');
  await put('dpu-a', { isConnected: false });
  for (let index = 0; index < 600; index++) expect(laboratory.where(`s${index}`)).toMatch(/^dpu-b 2 /);
});

it('a broker that starts again knows what it knew, tells workers nothing new, and finds what has changed meanwhile', async () => {
  await laboratory.dpus('dpu-a', 'dpu-b');
  await laboratory.session('s');
  const told = laboratory.events.length;
  await laboratory.restart();
  for (const worker of laboratory.workers.values()) await worker.sync();
  await laboratory.quiet();
  expect(laboratory.workers.get('dpu-a')?.answers.at(-1)).toBe('deltas');
  expect(laboratory.workers.get('dpu-a')?.fetchedPages).toBe(1);
  expect(laboratory.events.length).toBe(told);
  await laboratory.stop();
  await laboratory.neighbours.putDpu('dpu-a', { isConnected: false });
  await laboratory.start();
  await laboratory.workers.get('dpu-a')?.sync();
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
});
