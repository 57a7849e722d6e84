import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { UdpFlow, waitConnected } from '@outboard/testbed';
import { eventually, Submissions, World } from './world.js';

const PORTS = 480;
const ROUNDS = 4;

describe('a worker', () => {
  let world: World;
  let ports: Submissions;

  beforeAll(async () => {
    world = await World.start({ name: 'workers', leaseMilliseconds: 3_000 });
    ports = new Submissions(world);
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it('that is cut off while thousands of objects change has them all when it is back; the others go on', async () => {
    await world.stack.testbed.setCable('dpu-1', 'management', 'pulled');
    await ports.submit(PORTS);
    await world.dpuBecomes('dpu-1', 'LeaseExpired');
    for (let round = 1; round < ROUNDS; round++) await ports.change(round);
    // Those of the other DPU are ready, and tell who lags behind.
    const there = ports.names.findLast(
      (name) => world.acme.port(name)?.spec.function?.serialNumber === 'OB-FAULT-2',
    );
    const port = await world.acme.ready(there ?? '', ROUNDS, 60_000);
    expect(port.status.propagated).toMatchObject({ lagging: ['dpu-1'] });

    await world.stack.testbed.setCable('dpu-1', 'management', 'plugged');
    await ports.expectAllReady(ROUNDS);
    for (const dpu of ['dpu-1', 'dpu-2'])
      expect((await world.stack.endpoints(dpu)).size).toBe(ports.all.length / 2);
  }, 180_000);

  it('that reads nothing is dropped by the broker, and is up to date soon after it reads again', async () => {
    const worker = world.program('dataplane-worker/dpu-2');
    const deltas: Uint8Array[] = [];
    const subject = 'outboard.v1alpha1.dpu.dpu-2.delta.network';
    const listening = await world.administrator.subscribe(subject, ({ body }) => void deltas.push(body));
    worker.signal('SIGSTOP');
    try {
      const submitted = ports.submit(4);
      await submitted;
      const delta = await eventually('a delta for it', async () =>
        deltas[0] ? { found: deltas[0] } : { missing: 'none' },
      );
      await listening[Symbol.asyncDispose]();
      // The same again and again, as a bus may deliver it: more than the buffers between the two can hold.
      const slow = await eventually('the broker drops it', async () => {
        for (let bytes = 0; bytes < 4 * 1024 * 1024; bytes += delta.length)
          world.administrator.broadcast(subject, { headers: {}, body: delta });
        const log = readFileSync(world.program('nats').logFile, 'utf8');
        const line = log.split('\n').find((each) => each.includes('Slow Consumer'));
        return line === undefined ? { missing: log.slice(-500) } : { found: line };
      });
      expect(slow).toContain('Slow Consumer');
    } finally {
      worker.signal('SIGCONT');
    }
    await ports.expectAllReady();
    expect(worker.exits.filter(({ wanted }) => !wanted)).toEqual([]);
  }, 120_000);
});

describe('a worker whose disk is full', () => {
  let world: World;
  let ports: Submissions;

  beforeAll(async () => {
    const disk = { directories: ['dataplane-worker-dpu-1/data'], mebibytes: 16 };
    world = await World.start({ name: 'workers-disk', disk });
    ports = new Submissions(world);
  }, 90_000);
  afterAll(() => world?.[Symbol.asyncDispose](), 60_000);
  beforeEach(() => world.startTraffic());
  afterEach(() => world.expectUndisturbed());

  it('works on and says so; killed meanwhile it takes nothing away that came since', async () => {
    world.disk.fill();
    await ports.submit(20);
    await ports.expectAllReady();
    await world.problemBecomes(
      'dataplane-worker',
      /^not written to disk: .*network\.document: ENOSPC/,
      'dpu-1',
    );
    const pods = [await world.acme.connectPod('port-2'), await world.acme.connectPod('port-3')] as const;
    await waitConnected([...pods]);
    const flow = UdpFlow.start({ from: pods[0], to: pods[1] });

    const worker = world.program('dataplane-worker/dpu-1');
    await worker.kill();
    await worker.start();
    await ports.submit(2);
    await ports.expectAllReady();
    await flow.progress(200);
    expect(await flow.stop()).toMatchObject({ lost: 0, gaps: [] });

    world.disk.makeRoom();
    await world.problemBecomes('dataplane-worker', undefined, 'dpu-1');
  }, 120_000);
});
