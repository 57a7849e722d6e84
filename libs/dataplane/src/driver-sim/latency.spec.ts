import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '@outboard/testkit';
import type { DriverObject, Operation } from '../driver.js';
import type { OvsSpec } from '../driver-ovs/realise/ovs-objects.js';
import { type LatencyShape, parseLatency } from './latency.js';
import { SimDriver } from './sim-driver.js';
import { SimSwitch } from './sim-switch.js';

const NONE: LatencyShape = { call: 0, operation: 0, read: 0, kinds: new Map(), jitter: 0 };
const KINDS = ['port', 'meter'];

const create = (object: Omit<DriverObject<OvsSpec>, 'after'>): Operation<OvsSpec> => ({
  action: 'create',
  object: { after: [], ...object },
  mark: { owner: 'network', key: object.key },
});
const meter = (id: number) => create({ key: `meter/${id}`, spec: { kind: 'meter', id, rate: 1, burst: 1 } });
const flow = (priority: number) =>
  create({
    key: `flow/9/${priority}/`,
    spec: { kind: 'flow', table: 9, priority, match: {}, actions: [] },
  });

/** A driver on a clock that only the test moves, and at what time what it was asked for was done. */
class Tried {
  readonly clock = new ManualClock();
  readonly vswitch = new SimSwitch();
  readonly driver: SimDriver;
  readonly done: [what: string, at: number][] = [];

  constructor(shape: Partial<LatencyShape>, fractions: readonly number[] = []) {
    let next = 0;
    const random = {
      fraction: () => fractions[next++ % fractions.length] ?? 0,
      bytes: () => new Uint8Array(),
    };
    const latency = { shape: { ...NONE, ...shape }, clock: this.clock, random };
    this.driver = new SimDriver({ vswitch: this.vswitch, latency });
    this.vswitch.watch((change) => {
      if (change.kind === 'objects')
        for (const key of change.changed) this.done.push([key, this.clock.monotonic()]);
    });
  }

  ask(what: string, promise: Promise<unknown>): void {
    void promise.then(() => this.done.push([what, this.clock.monotonic()]));
  }
}

describe('the latency of a simulated switch', () => {
  it('is that of the call and of each operation, which are done one after the other', async () => {
    const { clock, driver, done, ...tried } = new Tried({ call: 10, operation: 5 });
    void driver.apply([meter(1), meter(2)]).then(() => done.push(['both', clock.monotonic()]));
    await clock.advance(100);
    expect(done).toEqual([
      ['meter/1', 15],
      ['meter/2', 20],
      ['both', 20],
    ]);
    expect(tried.vswitch.size).toBe(2);
  });

  it('is over before anything is done of what is one step for packets', async () => {
    const { clock, driver, done } = new Tried({ operation: 5 });
    void driver.apply([flow(1), flow(2), flow(3)]);
    await clock.advance(14);
    expect(done).toEqual([]);
    await clock.advance(1);
    expect(done.map(([, at]) => at)).toEqual([15, 15, 15]);
  });

  it('is another for kinds of which it is said', async () => {
    const { clock, driver, done } = new Tried({ operation: 5, kinds: new Map([['meter', 30]]) });
    void driver.apply([meter(1), flow(1)]);
    await clock.advance(100);
    expect(done.map(([, at]) => at)).toEqual([30, 35]);
  });

  it('is one of the switch: who asks meanwhile waits, and sees what was done before', async () => {
    const tried = new Tried({ call: 1, operation: 50, read: 2 });
    void tried.driver.apply([meter(1)]);
    await tried.clock.advance(10);
    const seen = tried.driver.observe({ kind: 'keys', keys: ['meter/1', 'meter/2'] });
    tried.ask('read', seen);
    await tried.clock.advance(200);
    expect(tried.done).toEqual([
      ['meter/1', 51],
      ['read', 56],
    ]);
    expect((await seen).map(({ key }) => key)).toEqual(['meter/1']);
  });

  it('is stretched at random by its jitter', async () => {
    const { clock, driver, done } = new Tried({ operation: 10, jitter: 0.5 }, [0, 1, 0.5]);
    void driver.apply([meter(1), meter(2), meter(3)]);
    await clock.advance(100);
    expect(done.map(([, at]) => at)).toEqual([5, 20, 30]);
  });

  it('is waited for as a whole where its parts are too short for a timer', async () => {
    const { clock, driver, done } = new Tried({ operation: 0.4 });
    void driver.apply([meter(1), meter(2), meter(3), meter(4)]);
    await clock.advance(100);
    const times = done.map(([, at]) => at);
    expect(times.map((at) => Math.round(at * 10) / 10)).toEqual([0, 0, 1.2, 1.2]);
  });
});

describe('a latency as text', () => {
  const parsed = (text: string) => {
    const result = parseLatency(text, KINDS);
    return result.ok ? result.value : result.error.violations;
  };

  it('is a number for each operation, or names what takes how long', () => {
    expect(parsed('0.5')).toEqual({ ...NONE, operation: 0.5 });
    expect(parsed('call=2,operation=.5,read=0.05,jitter=0.3,port=20')).toEqual({
      call: 2,
      operation: 0.5,
      read: 0.05,
      jitter: 0.3,
      kinds: new Map([['port', 20]]),
    });
  });

  it('is refused with every problem', () => {
    expect(parsed('call=-1,speed=3,jitter=2,read=1,read=2,operation=')).toEqual([
      { field: 'call', description: 'must be a number of 0 to 60000, not -1' },
      { field: 'speed', description: 'must be call, operation, read, jitter, or a kind: port, meter' },
      { field: 'jitter', description: 'must be a number of 0 to 1, not 2' },
      { field: 'read', description: 'must be there once' },
      { field: 'operation', description: 'must be a number of 0 to 60000, not ' },
    ]);
  });
});
