import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Bus, InProcessBroker } from '@outboard/bus';
import {
  encodeBinary,
  type InventoryReport,
  InventoryReportSchema,
  ObjectProblem_State,
} from '@outboard/contracts';
import { AppError, type Random } from '@outboard/core';
import type { DataplaneEngine, DiscoveredFunction, Driver, ObjectProblem, Spec } from '@outboard/dataplane';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { NOTHING } from '../domain/document-replica.js';
import { FakeDriver, FakeEngine, virtualFunction } from '../testing/fake-dataplane.js';
import { FakeOwner } from '../testing/fake-owner.js';
import { temporaryDirectory } from '../testing/temporary-directory.js';
import type { WorkerIdentity } from './identity.js';
import { createDataplaneWorker, type DataplaneWorker, DOCUMENT_OWNERS } from './worker.js';

const IDENTITY: WorkerIdentity = {
  dpu: 'dpu-1',
  serialNumber: 'MT2113X00042',
  host: 'host-1',
  pfMacAddress: '08:c0:eb:8a:d7:8a',
  incarnation: 'boot-1',
  workerVersion: '0.1.0',
  kernelRelease: '6.18.0',
  architecture: 'x86_64',
};
/** In the middle: waits are not stretched. */
const random: Random = { fraction: () => 0.5, bytes: (count) => new Uint8Array(count) };

/** A worker with everything around it; the clock stands still until a test moves it. */
class Bench {
  readonly clock = new ManualClock();
  readonly broker = new InProcessBroker({ clock: this.clock, random });
  readonly log = new RecordingLog();
  readonly driver = new FakeDriver();
  readonly owner = new FakeOwner(this.broker.connect(), IDENTITY.dpu);
  engine = new FakeEngine();
  #workers: DataplaneWorker[] = [];

  constructor(private readonly dataDirectory: string) {}

  /** Runs the worker until nothing moves any more. */
  async run(
    bus: PromiseLike<Bus> = Promise.resolve(this.broker.connect()),
    rebootMachine?: () => Promise<void>,
  ): Promise<DataplaneWorker> {
    this.engine = new FakeEngine();
    const worker = await createDataplaneWorker({
      identity: IDENTITY,
      owners: DOCUMENT_OWNERS,
      dataDirectory: this.dataDirectory,
      driver: this.driver as unknown as Driver<Spec>,
      engine: this.engine as unknown as DataplaneEngine,
      rebootMachine,
      bus,
      clock: this.clock,
      random,
      log: this.log,
    });
    this.#workers.push(worker);
    await this.clock.advance(0);
    return worker;
  }

  get document(): ReadonlyMap<string, Uint8Array> | undefined {
    return this.engine.documents.get('network');
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) await this.end(worker);
  }

  /** The farewell waits on the clock, for nobody may answer. */
  async end(worker: DataplaneWorker): Promise<void> {
    this.#workers = this.#workers.filter((other) => other !== worker);
    const ended = worker[Symbol.asyncDispose]();
    await this.clock.advance(500);
    await ended;
  }
}

describe('a dataplane worker', () => {
  let temporary: Awaited<ReturnType<typeof temporaryDirectory>>;
  let bench: Bench;

  beforeEach(async () => {
    temporary = await temporaryDirectory();
    bench = new Bench(temporary.path);
  });
  afterEach(async () => {
    await bench.close();
    await temporary[Symbol.asyncDispose]();
  });

  describe('its document', () => {
    it('is fetched in pages at the start and followed from there', async () => {
      await bench.owner.serve();
      bench.owner.change({ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 });
      const worker = await bench.run();
      expect(await worker.ready).toEqual({ synchronised: true, restored: [], rebooted: false });
      expect(bench.document).toEqual(bench.owner.entries);
      bench.owner.change({ a: 9, h: 8 }, ['b']);
      await bench.clock.advance(0);
      expect(bench.document).toEqual(bench.owner.entries);
      expect(bench.engine.submitted).toHaveLength(2);
    });

    it('is asked for again every ten seconds, so that a lost delta is made good', async () => {
      await bench.owner.serve();
      await bench.run();
      bench.owner.change({ a: 1 }, [], true);
      await bench.clock.advance(9_999);
      expect(bench.document?.size).toBe(0);
      await bench.clock.advance(1);
      expect(bench.document).toEqual(bench.owner.entries);
    });

    it('is wanted from the disk when there is no bus for two seconds, and followed as soon as there is one', async () => {
      await bench.owner.serve();
      bench.owner.change({ a: 1 });
      await bench.end(await bench.run());

      bench.owner.change({ b: 2 });
      let connect: (bus: Bus) => void = () => {};
      const later = new Promise<Bus>((resolve) => {
        connect = resolve;
      });
      const worker = await bench.run(later);
      expect(bench.document).toBeUndefined();
      expect(bench.engine.isStarted).toBe(true);
      await bench.clock.advance(2_000);
      expect(bench.document).toEqual(new Map([['a', Uint8Array.of(1)]]));
      expect(await worker.ready).toEqual({ synchronised: false, restored: ['network'], rebooted: false });

      connect(bench.broker.connect());
      await bench.clock.advance(0);
      expect(bench.document).toEqual(bench.owner.entries);
    });

    it('stays as it was while its owner is away, and is asked for until the owner answers', async () => {
      await bench.owner.serve();
      bench.owner.change({ a: 1 });
      await bench.end(await bench.run());
      bench.owner.refusals.set('sync', new AppError('UNAVAILABLE', 'restarting'));
      await bench.run();
      await bench.clock.advance(5_000);
      expect(bench.document?.size).toBe(1);
      const before = bench.owner.syncs.length;
      expect(before).toBeGreaterThan(4);
      bench.owner.refusals.clear();
      bench.owner.change({ b: 2 }, [], true);
      await bench.clock.advance(10_000);
      expect(bench.document).toEqual(bench.owner.entries);
    });

    it('is emptied when the owner does not know this DPU, also for the next start', async () => {
      await bench.owner.serve();
      bench.owner.change({ a: 1 });
      const worker = await bench.run();
      bench.owner.refusals.set('sync', new AppError('NOT_FOUND', 'no such DPU'));
      await bench.clock.advance(10_000);
      expect(bench.document?.size).toBe(0);
      expect(bench.log.at('warn')).toEqual(['the owner does not know this DPU: its document is emptied']);
      await bench.end(worker);
      await bench.run(new Promise(() => {}));
      await bench.clock.advance(2_000);
      expect(bench.engine.submitted).toMatchObject([{ complete: new Map() }]);
    });

    it('is asked for while its owner does not answer, which is told once, and once when it answers again', async () => {
      await bench.owner.serve();
      await bench.run();
      const asked = bench.owner.syncs.length;
      bench.owner.refusals.set('sync', new AppError('UNAVAILABLE', 'overloaded'));
      await bench.clock.advance(60_000);
      expect(bench.owner.syncs.length).toBeGreaterThan(asked + 4);
      expect(bench.log.at('warn')).toEqual(['the owner does not answer: overloaded']);
      bench.owner.refusals.clear();
      await bench.clock.advance(20_000);
      expect(bench.log.at('info').filter((line) => line === 'the owner answers again')).toHaveLength(1);
    });

    it('does not change by a delta that cannot be read', async () => {
      await bench.owner.serve();
      await bench.run();
      const bus = bench.broker.connect();
      const subject = 'outboard.v1alpha1.dpu.dpu-1.delta.network';
      for (const body of [Uint8Array.of(0xff), new Uint8Array()])
        bus.broadcast(subject, { headers: {}, body });
      await bench.clock.advance(0);
      expect(bench.engine.submitted).toHaveLength(1);
      expect(bench.log.at('warn')).toEqual(Array(2).fill('a delta that cannot be read is dropped'));
    });
  });

  describe('its reports', () => {
    const problem = (number: number, message = 'waits for its function'): ObjectProblem => ({
      key: `endpoint/${number}`,
      source: { kind: 'Port', tenant: 'acme', name: `web-${number}` },
      state: 'PENDING',
      message,
    });

    it('go out at once, with the version and every problem', async () => {
      await bench.owner.serve();
      await bench.run();
      const version = bench.owner.version;
      bench.engine.report({ version, problems: [problem(1)], problemTotal: 1, repaired: 2 });
      await bench.clock.advance(0);
      expect(bench.owner.reports).toMatchObject([
        {
          incarnation: 'boot-1',
          version: { epoch: 'one', sequence: version.sequence, digest: version.digest },
          problems: [{ key: 'endpoint/1', source: { name: 'web-1' }, state: ObjectProblem_State.PENDING }],
          problemTotal: 1,
          repaired: 2,
        },
      ]);
    });

    it('overtake each other: only the newest is sent, but every repair is counted', async () => {
      await bench.owner.serve();
      await bench.run();
      for (let sequence = 1n; sequence <= 100n; sequence++) {
        bench.engine.report({ version: { ...bench.owner.version, sequence }, repaired: 1 });
      }
      await bench.clock.advance(0);
      expect(bench.owner.reports.map(({ version, repaired }) => [version?.sequence, repaired])).toEqual([
        [1n, 1],
        [100n, 99],
      ]);
    });

    it('are sent until they are acknowledged, and a repair is told until it was heard', async () => {
      await bench.owner.serve();
      await bench.run();
      bench.owner.refusals.set('observed', new AppError('UNAVAILABLE', 'restarting'));
      bench.engine.report({ version: bench.owner.version, repaired: 3 });
      await bench.clock.advance(1_000);
      expect(bench.owner.reports.length).toBeGreaterThan(2);
      expect(bench.log.at('warn')).toEqual(['not acknowledged: restarting']);
      bench.owner.refusals.clear();
      await bench.clock.advance(10_000);
      const sent = bench.owner.reports.length;
      expect(bench.owner.reports.at(-1)?.repaired).toBe(3);
      await bench.clock.advance(60_000);
      expect(bench.owner.reports).toHaveLength(sent);
    });

    it('are not repeated to an owner that refuses them for good', async () => {
      await bench.owner.serve();
      await bench.run();
      bench.owner.refusals.set('observed', new AppError('NOT_FOUND', 'no such DPU'));
      bench.engine.report({ version: bench.owner.version });
      await bench.clock.advance(60_000);
      expect(bench.owner.reports).toHaveLength(1);
    });

    it('list as many problems as fit into a message, and tell how many there are', async () => {
      await bench.owner.serve();
      await bench.run();
      const problems = Array.from({ length: 1000 }, (_, index) => problem(index, 'x'.repeat(5000)));
      bench.engine.report({ version: bench.owner.version, problems, problemTotal: 70_000 });
      await bench.clock.advance(0);
      const [report] = bench.owner.reports;
      expect(report?.problemTotal).toBe(70_000);
      expect(report?.problems.length).toBeGreaterThan(300);
      expect(report?.problems.length).toBeLessThan(1000);
    });

    it('that were made before there was a bus are sent once there is one', async () => {
      await bench.owner.serve();
      let connect: (bus: Bus) => void = () => {};
      await bench.run(
        new Promise((resolve) => {
          connect = resolve;
        }),
      );
      bench.engine.report({ version: bench.owner.version });
      await bench.clock.advance(60_000);
      expect(bench.owner.reports).toEqual([]);
      connect(bench.broker.connect());
      await bench.clock.advance(0);
      expect(bench.owner.reports).toHaveLength(1);
    });
  });

  describe('its inventory', () => {
    it('is sent at the start: what the DPU is, its capabilities, underlay and functions', async () => {
      bench.driver.discovered = [virtualFunction(1), virtualFunction(0)];
      await bench.owner.serve();
      await bench.run();
      expect(bench.owner.inventories).toMatchObject([
        {
          incarnation: 'boot-1',
          serialNumber: 'MT2113X00042',
          host: 'host-1',
          workerVersion: '0.1.0',
          kernelRelease: '6.18.0',
          architecture: 'x86_64',
          driver: 'fake',
          capabilities: [{ name: 'vrf', available: false, reason: 'the kernel has no vrf' }],
          underlay: { device: 'up0', address: '192.0.2.1', mtu: 1600 },
          functions: [{ netdev: 'pf0vf0' }, { netdev: 'pf0vf1' }],
        },
      ]);
    });

    it('has the functions as the host knows them, by the address of their physical function', async () => {
      bench.driver.discovered = [
        { ...virtualFunction(0), pfMacAddress: '02:00:00:00:00:01' },
        { ...virtualFunction(1), pfNumber: 1, pfMacAddress: '02:00:00:00:00:02' },
        { ...virtualFunction(2), pfNumber: 2, pfMacAddress: '' },
      ];
      await bench.owner.serve();
      await bench.run();
      expect(bench.owner.inventories[0]?.functions.map(({ pfMacAddress }) => pfMacAddress)).toEqual([
        '08:c0:eb:8a:d7:8a',
        '02:00:00:00:00:02',
      ]);
      expect(bench.log.at('warn')).toHaveLength(1);
    });

    it('is sent once after functions came in a group, and not at all when nothing is another', async () => {
      await bench.owner.serve();
      await bench.run();
      for (let number = 0; number < 8; number++) {
        bench.driver.discovered = [...bench.driver.discovered, virtualFunction(number)];
        bench.driver.tell({ kind: 'functions' });
        await bench.clock.advance(5);
      }
      await bench.clock.advance(50);
      expect(bench.owner.inventories).toMatchObject([{ functions: [] }, { change: { gone: [] } }]);
      expect(bench.owner.inventories[1]?.change?.changed).toHaveLength(8);
      bench.driver.tell({ kind: 'functions' });
      bench.driver.tell({ kind: 'objects', changed: ['link/x'], lost: [] });
      await bench.clock.advance(60);
      expect(bench.owner.inventories).toHaveLength(2);
    });

    it('is sent at once after a quiet time, and then the less often the more functions it has', async () => {
      const functions = Array.from({ length: 200 }, (_, number) => virtualFunction(number));
      bench.driver.discovered = functions;
      await bench.owner.serve();
      await bench.run();
      await bench.clock.advance(1_000);
      const sentAfter = async (milliseconds: number, count: number): Promise<number> => {
        bench.driver.discovered = functions.slice(0, count);
        bench.driver.tell({ kind: 'functions' });
        await bench.clock.advance(milliseconds);
        return bench.owner.inventories.length;
      };
      expect(await sentAfter(50, 199)).toBe(2);
      expect(await sentAfter(150, 198)).toBe(2);
      expect(await sentAfter(50, 197)).toBe(3);
      expect(bench.owner.inventories.at(-1)?.change?.gone).toMatchObject([
        { vfNumber: 197 },
        { vfNumber: 198 },
      ]);
    });

    it('is told by what has changed of its functions, from the last report that was acknowledged', async () => {
      bench.driver.discovered = [virtualFunction(0), virtualFunction(1)];
      await bench.owner.serve();
      await bench.run();
      const change = async (...functions: DiscoveredFunction[]): Promise<InventoryReport | undefined> => {
        bench.driver.discovered = functions;
        bench.driver.tell({ kind: 'functions' });
        await bench.clock.advance(60);
        return bench.owner.inventories.at(-1);
      };
      const digestOf = (report: InventoryReport | undefined): Uint8Array =>
        createHash('sha256')
          .update(encodeBinary(InventoryReportSchema, report ?? create(InventoryReportSchema)))
          .digest();
      const first = digestOf(bench.owner.inventories[0]);
      const told = await change({ ...virtualFunction(0), active: false }, virtualFunction(2));
      expect(told).toMatchObject({
        incarnation: 'boot-1',
        serialNumber: '',
        functions: [],
        change: { changed: [{ vfNumber: 0, active: false }, { vfNumber: 2 }], gone: [{ vfNumber: 1 }] },
      });
      expect(Buffer.from(told?.change?.base ?? [])).toEqual(first);
      bench.owner.refusals.set('inventory', new AppError('FAILED_PRECONDITION', 'not known here'));
      expect((await change(virtualFunction(2)))?.change?.base).toEqual(new Uint8Array(digestOf(told)));
      bench.owner.refusals.clear();
      await bench.clock.advance(1_000);
      const whole = bench.owner.inventories.at(-1);
      expect(whole).toMatchObject({ serialNumber: 'MT2113X00042', functions: [{ vfNumber: 2 }] });
      expect(whole?.change).toBeUndefined();
    });

    it('is told whole when two functions have the same numbers: a change could tell one of them only', async () => {
      await bench.owner.serve();
      await bench.run();
      bench.driver.discovered = [virtualFunction(0), { ...virtualFunction(0), netdev: 'other' }];
      for (let look = 0; look < 2; look++) {
        bench.driver.tell({ kind: 'functions' });
        await bench.clock.advance(100);
      }
      expect(bench.owner.inventories.map(({ functions }) => functions.length)).toEqual([0, 2]);
    });

    it('is sent within a minute when a capability has come of which nobody told', async () => {
      await bench.owner.serve();
      await bench.run();
      const vrf = { name: 'vrf', available: true, reason: '' };
      bench.driver.capabilities = () => [vrf];
      await bench.clock.advance(60_000);
      expect(bench.owner.inventories.map(({ capabilities }) => capabilities[0]?.available)).toEqual([
        false,
        true,
      ]);
      await bench.clock.advance(120_000);
      expect(bench.owner.inventories).toHaveLength(2);
    });

    it('is sent again when a heartbeat is told that it is wanted', async () => {
      await bench.owner.serve();
      await bench.run();
      bench.owner.inventoryWanted = true;
      await bench.clock.advance(3_000);
      expect(bench.owner.inventories).toHaveLength(2);
    });

    it('is looked at again when the functions could not be listed', async () => {
      bench.driver.failure = new AppError('UNAVAILABLE', 'interrupted');
      await bench.owner.serve();
      await bench.run();
      expect(bench.owner.inventories).toEqual([]);
      await bench.clock.advance(1_000);
      expect(bench.owner.inventories).toHaveLength(1);
    });
  });

  describe('its lease', () => {
    it('is asked for every second until there is one, then three times within its length', async () => {
      await bench.owner.serve();
      bench.owner.refusals.set('heartbeat', new AppError('UNAVAILABLE', 'restarting'));
      await bench.run();
      await bench.clock.advance(2_000);
      expect(bench.owner.heartbeats).toHaveLength(3);
      bench.owner.refusals.clear();
      await bench.clock.advance(1_000);
      expect(bench.owner.heartbeats).toHaveLength(4);
      await bench.clock.advance(9_000);
      expect(bench.owner.heartbeats).toHaveLength(7);
    });

    it('is renewed with the digest of the inventory that was sent', async () => {
      await bench.owner.serve();
      await bench.run();
      const [inventory] = bench.owner.inventories;
      if (inventory === undefined) throw new Error('no inventory was sent');
      const digest = createHash('sha256').update(encodeBinary(InventoryReportSchema, inventory)).digest();
      expect(Buffer.from(bench.owner.heartbeats[0]?.inventoryDigest ?? [])).toEqual(digest);
    });
  });

  describe('its settlement', () => {
    const settled = () => bench.owner.heartbeats.at(-1)?.settled;
    const FAILED: ObjectProblem = {
      key: 'endpoint/1',
      source: { kind: 'Port', tenant: 'acme', name: 'web-1' },
      state: 'FAILED',
      message: 'refused',
    };
    const UNDER_WAY: ObjectProblem = { ...FAILED, state: 'PENDING', isUnderWay: true };
    const report = (problems: readonly ObjectProblem[] = []): void =>
      bench.engine.report({ version: bench.owner.version, problems, problemTotal: problems.length });

    it('is told at once when the newest document of every owner is read back, and stays', async () => {
      await bench.owner.serve();
      bench.owner.change({ a: 1 });
      await bench.run();
      expect(settled()).toBe(false);
      report([UNDER_WAY]);
      await bench.clock.advance(0);
      expect(settled()).toBe(false);
      const told = bench.owner.heartbeats.length;
      report([FAILED]);
      await bench.clock.advance(0);
      expect([settled(), bench.owner.heartbeats.length]).toEqual([true, told + 1]);
      bench.owner.change({ a: 2 });
      await bench.clock.advance(3_000);
      expect(settled()).toBe(true);
    });

    it('comes as soon as a DPU is approved, however long its owners have not known it', async () => {
      await bench.owner.serve();
      bench.owner.admitted = false;
      bench.owner.refusals.set('sync', new AppError('NOT_FOUND', 'no Dpu dpu-1'));
      await bench.run();
      await bench.clock.advance(60_000);
      const { length } = bench.owner.syncs;
      // It has just asked, and would wait for ten seconds until it asks again.
      while (bench.owner.syncs.length === length) await bench.clock.advance(100);
      bench.owner.refusals.clear();
      bench.owner.admitted = true;
      await bench.clock.advance(3_500);
      report();
      await bench.clock.advance(0);
      expect([settled(), bench.owner.syncs.length]).toEqual([true, length + 2]);
    });

    it('ends when an owner does not know this DPU any more, until it has all again', async () => {
      await bench.owner.serve();
      await bench.run();
      report();
      await bench.clock.advance(3_000);
      expect(settled()).toBe(true);
      bench.owner.refusals.set('heartbeat', new AppError('FAILED_PRECONDITION', 'dpu dpu-1 is retired'));
      bench.owner.refusals.set('sync', new AppError('NOT_FOUND', 'no Dpu dpu-1'));
      await bench.clock.advance(15_000);
      bench.engine.report({ version: NOTHING });
      bench.owner.refusals.clear();
      const asked = bench.owner.syncs.length;
      await bench.clock.advance(3_500);
      expect(bench.owner.syncs.length).toBe(asked + 1);
      expect(bench.owner.heartbeats.at(-1)?.settled).toBe(false);
      report();
      await bench.clock.advance(0);
      expect(settled()).toBe(true);
    });

    it('is not before an owner knows this DPU', async () => {
      await bench.owner.serve();
      bench.owner.refusals.set('sync', new AppError('NOT_FOUND', 'no Dpu dpu-1'));
      await bench.run();
      report();
      await bench.clock.advance(3_000);
      expect(settled()).toBe(false);
      bench.owner.refusals.clear();
      await bench.clock.advance(10_000);
      report();
      await bench.clock.advance(0);
      expect(settled()).toBe(true);
    });
  });

  describe('a reboot that admin asks for', () => {
    it('is begun once for each request', async () => {
      const reboots: string[] = [];
      await bench.owner.serve();
      bench.owner.rebootRequest = 'one';
      await bench.run(undefined, async () => void reboots.push(bench.owner.rebootRequest));
      await bench.clock.advance(10_000);
      bench.owner.rebootRequest = 'two';
      await bench.clock.advance(10_000);
      expect(reboots).toEqual(['one', 'two']);
      expect(bench.owner.heartbeats.at(-1)?.rebootProblem).toBe('');
    });

    it('that cannot be begun is told with the reason until it is not wanted any more', async () => {
      await bench.owner.serve();
      bench.owner.rebootRequest = 'one';
      await bench.run(undefined, () => Promise.reject(new Error('not permitted')));
      await bench.clock.advance(10_000);
      expect(bench.owner.heartbeats.at(-1)?.rebootProblem).toBe('not permitted');
      bench.owner.rebootRequest = '';
      await bench.clock.advance(10_000);
      expect(bench.owner.heartbeats.at(-1)?.rebootProblem).toBe('');
    });
  });

  it('is found by service discovery', async () => {
    await bench.run();
    const reply = await bench.broker
      .connect()
      .request(
        '$SRV.INFO.dataplane-worker',
        { headers: {}, body: new Uint8Array() },
        { deadlineMilliseconds: 1 },
      );
    if (!reply.ok) throw reply.error;
    expect(JSON.parse(Buffer.from(reply.value.body).toString())).toMatchObject({
      name: 'dataplane-worker',
      version: '0.1.0',
      description: 'dataplane worker of dpu-1',
    });
  });

  it('that ends disposes its engine, tells the last report and listens no more', async () => {
    await bench.owner.serve();
    const worker = await bench.run();
    bench.engine.report({ version: bench.owner.version });
    await bench.end(worker);
    await worker.closed;
    expect(bench.engine.isDisposed).toBe(true);
    expect(bench.owner.reports).toHaveLength(1);
    const { syncs, heartbeats } = bench.owner;
    const before = [syncs.length, heartbeats.length];
    bench.owner.change({ a: 1 });
    await bench.clock.advance(60_000);
    expect([syncs.length, heartbeats.length]).toEqual(before);
    expect(bench.clock.nextAlarmIn).toBeUndefined();
  });
});
