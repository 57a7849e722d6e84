import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { BrokerLaboratory, LEASE_MILLISECONDS } from './broker-laboratory.js';

let laboratory: BrokerLaboratory;
beforeEach(async () => {
  laboratory = await BrokerLaboratory.open();
  await laboratory.dpus('dpu-a', 'dpu-b');
  await laboratory.session('s');
});
afterEach(() => laboratory.close());

const worker = (dpu: string) => {
  const found = laboratory.workers.get(dpu);
  if (!found) throw new Error(`${dpu} has no worker`);
  return found;
};

/** Admin says of dpu-a what may be so or not. */
async function lose(): Promise<void> {
  await laboratory.neighbours.putDpu('dpu-a', { isConnected: false });
  await laboratory.quiet();
}

it('a worker gets a lease for what it has applied, each time that it asks', async () => {
  expect(await laboratory.heartbeat('dpu-a')).toBe(LEASE_MILLISECONDS);
  await laboratory.clock.advance(LEASE_MILLISECONDS / 2);
  expect(await laboratory.heartbeat('dpu-a')).toBe(LEASE_MILLISECONDS);
});

it('a DPU that is not known, a worker that has applied nothing, and one with the document of another store get none', async () => {
  expect(await laboratory.heartbeat('dpu-x')).toBe(0);
  const { version } = worker('dpu-a');
  worker('dpu-a').version = { ...version, epoch: 'another' };
  expect(await laboratory.heartbeat('dpu-a')).toBe(0);
  worker('dpu-a').reboot();
  expect(await laboratory.heartbeat('dpu-a')).toBe(0);
});

it('a session that moves is served at its new place as soon as its former DPU has let it go', async () => {
  await laboratory.heartbeat('dpu-a');
  worker('dpu-a').isReporting = false;
  await lose();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Moved');
  expect(laboratory.objects('dpu-b')).toEqual([]);
  await worker('dpu-a').report();
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
});

it('while its former DPU says nothing, it is served when the last lease of that is over, and not before', async () => {
  await laboratory.clock.advance(10 * LEASE_MILLISECONDS);
  await laboratory.heartbeat('dpu-a');
  worker('dpu-a').isCutOff = true;
  await lose();
  await laboratory.clock.advance(LEASE_MILLISECONDS);
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Moved');
  expect(laboratory.objects('dpu-b')).toEqual([]);
  await laboratory.leasesEnd();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
});

it('a worker that has not let a session go gets no further lease, and one again when it has', async () => {
  worker('dpu-a').isCutOff = true;
  await lose();
  expect(await laboratory.heartbeat('dpu-a')).toBe(0);
  await laboratory.leasesEnd();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
  // It may have come back with a document from its disk.
  expect(laboratory.objects('dpu-a')).toHaveLength(1);
  expect(await laboratory.heartbeat('dpu-a')).toBe(0);
  worker('dpu-a').isCutOff = false;
  await worker('dpu-a').sync();
  await laboratory.quiet();
  expect(laboratory.objects('dpu-a')).toEqual([]);
  expect(await laboratory.heartbeat('dpu-a')).toBe(LEASE_MILLISECONDS);
});

it('a broker that starts again does not know which leases it gave: it waits for the longest', async () => {
  await laboratory.heartbeat('dpu-a');
  worker('dpu-a').isCutOff = true;
  await lose();
  await laboratory.clock.advance(LEASE_MILLISECONDS);
  await laboratory.restart();
  await worker('dpu-b').sync();
  await laboratory.clock.advance(LEASE_MILLISECONDS);
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Moved');
  await laboratory.leasesEnd();
  expect(laboratory.where('s')).toBe('dpu-b 2 Placed Serving');
});

it('a worker is asked to have the document as the broker has it since its start before it gets a lease', async () => {
  await laboratory.restart();
  expect(await laboratory.heartbeat('dpu-a')).toBe(0);
  await worker('dpu-a').sync();
  expect(await laboratory.heartbeat('dpu-a')).toBe(LEASE_MILLISECONDS);
});

it('a session that goes on before it has arrived waits for the DPU that had it, and is back there at once', async () => {
  await laboratory.dpus('dpu-c');
  worker('dpu-a').isCutOff = true;
  await lose();
  const first = laboratory.found('s').status.dpu ?? '';
  await laboratory.neighbours.putDpu(first, { isConnected: false });
  await laboratory.quiet();
  const second = laboratory.found('s').status.dpu ?? '';
  expect(new Set(['dpu-a', first, second]).size).toBe(3);
  expect(laboratory.where('s')).toBe(`${second} 3 Placed Moved`);
  worker('dpu-a').isCutOff = false;
  await laboratory.neighbours.putDpu('dpu-a');
  await laboratory.neighbours.putDpu(second, { isConnected: false });
  await laboratory.quiet();
  await worker('dpu-a').sync();
  await laboratory.quiet();
  expect(laboratory.where('s')).toBe('dpu-a 4 Placed Serving');
});

it('a dry run tells of a move and makes none: leases are given as before', async () => {
  const manifest = laboratory.manifest('AccelerationSession', 's', {
    programs: [{ id: 1, steps: [{ operation: 'COMPRESS', algorithm: 'ZSTD' }] }],
    dpu: 'dpu-b',
  });
  const plan = await laboratory.request('plan', 'AccelerationSession', manifest);
  expect(plan.ok).toBe(true);
  expect(await laboratory.heartbeat('dpu-a')).toBe(LEASE_MILLISECONDS);
  expect(laboratory.where('s')).toBe('dpu-a 1 Placed Serving');
});
