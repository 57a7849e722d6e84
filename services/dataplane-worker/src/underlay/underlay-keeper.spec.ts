import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AppError, err, ok, type Result } from '@outboard/core';
import { ManualClock, RecordingLog } from '@outboard/testkit';
import { address, Fate, MemoryJournal, MemoryNetwork, mtu, route, state } from '../testing/memory-network.js';
import type { Configuration } from './configuration.js';
import { UnderlayKeeper } from './underlay-keeper.js';

const BOOT = [
  mtu('p0', 1_500),
  state('p0', true),
  address('p0', '10.0.0.1/24'),
  route('0.0.0.0/0', 'p0', '10.0.0.254'),
];

const NEW: Configuration = {
  uid: 'u',
  generation: 1,
  interfaces: [{ device: 'p0', mtu: 9_000, addresses: ['10.0.7.1/24'], exclusiveAddresses: true }],
  routes: [{ destination: '0.0.0.0/0', gateway: '10.0.7.254', device: '', metric: 0 }],
  confirmTimeoutSeconds: 30,
};
const AFTER_NEW = [
  mtu('p0', 9_000),
  state('p0', true),
  address('p0', '10.0.7.1/24'),
  route('0.0.0.0/0', 'p0', '10.0.7.254'),
];
const settingsOf = (settings: typeof BOOT): readonly string[] => new MemoryNetwork([], settings).keys;
const unreachable = err(new AppError('UNAVAILABLE', 'nobody answers'));

class Bench {
  readonly clock = new ManualClock();
  readonly log = new RecordingLog();
  kernel = new MemoryNetwork(['p0'], BOOT);
  readonly journal = new MemoryJournal();
  incarnation = 'boot-1';
  /** What the control plane answers, by what the kernel is at that moment. */
  answer: () => Result<void, AppError> = () => ok(undefined);
  asked = 0;
  networkChanges = 0;
  #keepers: UnderlayKeeper[] = [];

  async open(): Promise<UnderlayKeeper> {
    const { kernel, journal, clock, log, incarnation } = this;
    const keeper = await UnderlayKeeper.open({
      incarnation,
      kernel,
      journal,
      clock,
      log,
      controlPlane: {
        confirm: async () => {
          this.asked++;
          return this.answer();
        },
      },
      networkChanged: () => {
        this.networkChanges++;
      },
    });
    this.#keepers.push(keeper);
    return keeper;
  }

  async close(): Promise<void> {
    for (const keeper of this.#keepers) await keeper[Symbol.asyncDispose]();
  }

  /** What a worker does that starts again after a death. */
  async restart(): Promise<UnderlayKeeper> {
    this.#keepers = [];
    this.kernel.fate = new Fate();
    this.journal.fate = new Fate();
    const keeper = await this.open();
    await this.clock.advance(0);
    return keeper;
  }
}

describe('the network of a DPU', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  afterEach(() => bench.close());

  const wanting = async (configuration: Configuration): Promise<UnderlayKeeper> => {
    const keeper = await bench.open();
    keeper.want({ kind: 'configuration', configuration });
    await bench.clock.advance(0);
    return keeper;
  };

  it('is changed, and stays so once the control plane has answered', async () => {
    const keeper = await wanting(NEW);
    expect(keeper.status).toEqual({ kind: 'applied' });
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    expect(bench.journal.state).toMatchObject({ confirmed: NEW });
    expect(bench.journal.state).not.toHaveProperty('pending');
    expect(bench.networkChanges).toBe(1);
  });

  it('is not touched while the control plane is not reached, which is waited for', async () => {
    bench.answer = () => unreachable;
    const keeper = await wanting(NEW);
    expect(keeper.status).toMatchObject({
      kind: 'waiting',
      message: expect.stringContaining('nobody answers'),
    });
    expect(bench.kernel.steps).toEqual([]);
    bench.answer = () => ok(undefined);
    await bench.clock.advance(5_000);
    expect(keeper.status).toEqual({ kind: 'applied' });
  });

  it('comes back when the change has cut off the control plane, and is not tried again', async () => {
    bench.answer = () => (bench.kernel.has(address('p0', '10.0.0.1/24')) ? ok(undefined) : unreachable);
    const keeper = await wanting(NEW);
    expect(keeper.status).toEqual({ kind: 'underWay' });
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    await bench.clock.advance(29_000);
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    await bench.clock.advance(2_000);
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
    expect(keeper.status).toEqual({
      kind: 'rolledBack',
      message: 'the control plane was not reached in 30 s: nobody answers',
    });
    const { asked } = bench;
    keeper.want({ kind: 'configuration', configuration: NEW });
    await bench.clock.advance(600_000);
    expect(bench.asked).toBe(asked);
    const again = await bench.restart();
    again.want({ kind: 'configuration', configuration: NEW });
    expect(again.status.kind).toBe('rolledBack');
    bench.answer = () => ok(undefined);
    again.want({ kind: 'configuration', configuration: { ...NEW, generation: 2 } });
    await bench.clock.advance(0);
    expect(again.status).toEqual({ kind: 'applied' });
  });

  it('comes back when the kernel refuses a step', async () => {
    bench.kernel.refusals.add('route/0.0.0.0/0/0');
    const keeper = await wanting({
      ...NEW,
      interfaces: NEW.interfaces.map((each) => ({ ...each, exclusiveAddresses: false })),
    });
    expect(keeper.status).toEqual({ kind: 'rolledBack', message: 'route/0.0.0.0/0/0: refused (EINVAL)' });
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
  });

  it('is not touched for what cannot be: it waits for a device, and is made when that comes', async () => {
    const interfaces = [{ device: 'p9', mtu: 9_000, addresses: [], exclusiveAddresses: false }];
    const keeper = await wanting({ ...NEW, interfaces, routes: [] });
    expect(keeper.status).toEqual({ kind: 'waiting', message: 'there is no device p9' });
    bench.kernel.plug('p9', mtu('p9', 1_500));
    await bench.clock.advance(100);
    expect(keeper.status).toEqual({ kind: 'applied' });
    expect(bench.kernel.has(mtu('p9', 9_000))).toBe(true);
  });

  it('is put right after a change from outside, which leaves alone what is not ours', async () => {
    const keeper = await wanting({
      ...NEW,
      interfaces: [{ ...NEW.interfaces[0], exclusiveAddresses: false } as never],
    });
    let repaired = 0;
    keeper.onChange((count) => {
      repaired += count;
    });
    bench.kernel.meddle('set', mtu('p0', 1_400));
    bench.kernel.meddle('remove', address('p0', '10.0.7.1/24'));
    bench.kernel.meddle('set', address('p0', '10.0.9.1/24'));
    await bench.clock.advance(100);
    expect(repaired).toBe(2);
    expect(bench.kernel.has(mtu('p0', 9_000))).toBe(true);
    expect(bench.kernel.has(address('p0', '10.0.9.1/24'))).toBe(true);
    expect(keeper.status).toEqual({ kind: 'applied' });
  });

  it('is given back, with the same care, when nobody wants anything of it', async () => {
    const keeper = await wanting(NEW);
    keeper.want({ kind: 'unknown' });
    await bench.clock.advance(0);
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    bench.answer = () => (bench.kernel.has(address('p0', '10.0.7.1/24')) ? ok(undefined) : unreachable);
    keeper.want({ kind: 'nothing' });
    await bench.clock.advance(0);
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
    await bench.clock.advance(31_000);
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    bench.answer = () => ok(undefined);
    keeper.want({ kind: 'configuration', configuration: { ...NEW, uid: 'v' } });
    await bench.clock.advance(0);
    keeper.want({ kind: 'nothing' });
    await bench.clock.advance(0);
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
    expect(bench.journal.state).not.toHaveProperty('confirmed');
  });

  it('is made again after a boot without asking anybody, and given back as that boot had it', async () => {
    await wanting(NEW);
    const bare = [mtu('p0', 1_400), state('p0', true), address('p0', '10.0.3.1/24')];
    bench.kernel = new MemoryNetwork(['p0'], bare);
    bench.incarnation = 'boot-2';
    bench.answer = () => unreachable;
    const keeper = await bench.restart();
    expect(bench.kernel.keys).toEqual(settingsOf(AFTER_NEW));
    bench.answer = () => ok(undefined);
    keeper.want({ kind: 'nothing' });
    await bench.clock.advance(0);
    expect(bench.kernel.keys).toEqual(settingsOf(bare));
  });

  it('has at a boot what can be at once, the rest when it comes, and gives back all of it', async () => {
    bench.kernel.plug('p1', mtu('p1', 1_500));
    const interfaces = ['p0', 'p1'].map((device) => ({
      device,
      mtu: 9_000,
      addresses: [],
      exclusiveAddresses: false,
    }));
    await wanting({ ...NEW, interfaces, routes: [] });
    bench.kernel = new MemoryNetwork(['p0'], BOOT);
    bench.incarnation = 'boot-2';
    const keeper = await bench.restart();
    expect(keeper.status).toEqual({ kind: 'waiting', message: 'there is no device p1' });
    expect(bench.kernel.has(mtu('p0', 9_000))).toBe(true);
    bench.kernel.plug('p1', mtu('p1', 1_400));
    await bench.clock.advance(100);
    expect(keeper.status).toEqual({ kind: 'applied' });
    expect(bench.kernel.has(mtu('p1', 9_000))).toBe(true);
    keeper.want({ kind: 'nothing' });
    await bench.clock.advance(0);
    expect(bench.kernel.keys).toEqual(settingsOf([...BOOT, mtu('p1', 1_400)]));
  });

  it('comes back when the worker is stopped before the change is confirmed', async () => {
    bench.answer = () => (bench.kernel.has(address('p0', '10.0.0.1/24')) ? ok(undefined) : unreachable);
    const keeper = await wanting(NEW);
    await keeper[Symbol.asyncDispose]();
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
    expect(bench.journal.state).toMatchObject({ refused: { generation: 1 } });
  });

  it('is not touched when the journal cannot be written, and comes back when the confirmation cannot be', async () => {
    bench.journal.isDiskFull = true;
    const keeper = await wanting(NEW);
    expect([keeper.status.kind, bench.kernel.steps]).toEqual(['failed', []]);
    bench.journal.isDiskFull = false;
    bench.answer = () => {
      bench.journal.isDiskFull = bench.kernel.has(address('p0', '10.0.7.1/24'));
      return ok(undefined);
    };
    await bench.clock.advance(5_000);
    expect(keeper.status.kind).toBe('failed');
    bench.journal.isDiskFull = false;
    bench.answer = () => unreachable;
    await bench.clock.advance(5_000);
    expect(bench.kernel.keys).toEqual(settingsOf(BOOT));
  });

  it('that is wanted while another change is under way comes after it', async () => {
    bench.answer = () => (bench.asked === 1 || bench.asked > 4 ? ok(undefined) : unreachable);
    const keeper = await wanting(NEW);
    const later = { ...NEW, generation: 2, routes: [] };
    const told: string[] = [];
    keeper.onChange(() => told.push(keeper.status.kind));
    keeper.want({ kind: 'configuration', configuration: later });
    expect(keeper.status).toEqual({ kind: 'underWay' });
    await bench.clock.advance(2_000);
    expect(told).toEqual(['applied']);
    expect(bench.journal.state).toMatchObject({ confirmed: later });
  });

  it('is old or new, never between, wherever the worker dies', async () => {
    let outcomes = '';
    for (let points = 0; ; points++) {
      const each = new Bench();
      each.kernel.fate.dieAfter(points);
      each.journal.fate = each.kernel.fate;
      const keeper = await each.open();
      keeper.want({ kind: 'configuration', configuration: NEW });
      await each.clock.advance(0);
      if (!each.kernel.fate.isDead) break;
      const after = await each.restart();
      const isOld = JSON.stringify(each.kernel.keys) === JSON.stringify(settingsOf(BOOT));
      outcomes += isOld ? 'o' : 'n';
      expect(each.kernel.keys).toEqual(settingsOf(isOld ? BOOT : AFTER_NEW));
      expect(each.journal.state ?? {}).not.toHaveProperty('pending');
      // What was interrupted after it had begun is not tried again, what never began is made.
      after.want({ kind: 'configuration', configuration: NEW });
      await each.clock.advance(0);
      expect(after.status.kind === 'rolledBack' || after.status.kind === 'applied').toBe(true);
      await each.close();
    }
    // Written, begun, four steps, confirmed.
    expect(outcomes).toMatch(/^o{6,}n+$/);
  });

  it('is old wherever the worker dies while it puts back what was there', async () => {
    for (let points = 0; ; points++) {
      const each = new Bench();
      each.answer = () => (each.kernel.has(address('p0', '10.0.0.1/24')) ? ok(undefined) : unreachable);
      const keeper = await each.open();
      keeper.want({ kind: 'configuration', configuration: NEW });
      await each.clock.advance(29_000);
      each.kernel.fate.dieAfter(points);
      each.journal.fate = each.kernel.fate;
      await each.clock.advance(2_000);
      if (!each.kernel.fate.isDead) break;
      await each.restart();
      expect(each.kernel.keys).toEqual(settingsOf(BOOT));
      expect(each.journal.state).not.toHaveProperty('pending');
    }
  });
});
