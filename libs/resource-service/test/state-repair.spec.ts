import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type ConnectionState, InProcessBroker, STREAMS } from '@outboard/bus';
import { HEADERS, subjects } from '@outboard/contracts';
import { systemRandom, unwrap } from '@outboard/core';
import { RecordingLog } from '@outboard/testkit';
import { StateRepair } from '../src/index.js';
import { settled, until } from '../src/testing/index.js';
import { Laboratory } from './laboratory.js';

describe('the stream of states', () => {
  let laboratory: Laboratory;
  let repair: StateRepair | undefined;
  let listeners: ((state: ConnectionState) => void)[];
  let log: RecordingLog;

  const start = (): StateRepair => {
    listeners = [];
    log = new RecordingLog();
    const { bus, clock, service } = laboratory;
    repair = new StateRepair({
      bus: {
        watch: (...asked) => bus.watch(...asked),
        onState(listener) {
          listeners.push(listener);
          listener('connected');
          return { [Symbol.dispose]: () => {} };
        },
      },
      clock,
      random: systemRandom,
      api: 'network',
      service,
      log,
    });
    repair.start();
    return repair;
  };
  const connectAnew = (): void => {
    for (const listener of listeners)
      for (const state of ['reconnecting', 'connected'] as const) listener(state);
  };
  /** Names and whether they are there, in the order of names. */
  const inStream = async (): Promise<Record<string, string>> => {
    await laboratory.published();
    await settled();
    const states = await laboratory.stateStream();
    const found = states.map(({ json, headers }) => [
      String(json.metadata?.name),
      headers[HEADERS.operation] ?? 'there',
    ]);
    return Object.fromEntries(found.sort());
  };
  /** The server loses what is in the stream. */
  const lose = async (): Promise<void> => {
    for (const { streamSequence } of await laboratory.stateMessages())
      unwrap(await laboratory.bus.streams.remove('OUTBOARD_STATE', streamSequence));
  };

  beforeEach(async () => {
    laboratory = await Laboratory.open();
    for (const name of ['a', 'b', 'c']) await laboratory.intent(name);
    await laboratory.published();
  });
  afterEach(async () => {
    await repair?.[Symbol.asyncDispose]();
    repair = undefined;
    await laboratory.close();
  });

  it('that has lost states gets them again: at start, and after a new connection', async () => {
    await lose();
    expect(await inStream()).toEqual({});
    start();
    await until(() => laboratory.states.length === 6);
    expect(await inStream()).toEqual({ a: 'there', b: 'there', c: 'there' });
    await lose();
    connectAnew();
    await until(() => laboratory.states.length === 9);
    expect(await inStream()).toEqual({ a: 'there', b: 'there', c: 'there' });
  });

  it('that is whole gets nothing: neither at start nor later', async () => {
    start();
    await settled(200);
    connectAnew();
    await settled(200);
    expect(laboratory.states).toHaveLength(3);
  });

  it('that has what was never stored, or is not any more, gets its tombstone', async () => {
    const ghost = subjects.state({ tenant: 'acme', api: 'network', kind: 'network', name: 'ghost' });
    const body = Buffer.from(JSON.stringify({ metadata: { name: 'ghost' }, spec: {} }));
    unwrap(await laboratory.bus.publish(ghost, { headers: {}, body }, { messageId: 'of-another-life' }));
    start();
    await until(() => laboratory.states.some(({ headers }) => headers[HEADERS.operation] === 'delete'));
    expect(await inStream()).toEqual({ a: 'there', b: 'there', c: 'there', ghost: 'delete' });
    expect(laboratory.states.at(-1)?.json).toEqual({
      apiVersion: 'network.outboard.dev/v1alpha1',
      kind: 'Network',
      metadata: { tenant: 'acme', name: 'ghost' },
    });
  });

  it('that holds a state of another epoch gets the one of this epoch', async () => {
    const subject = subjects.state({ tenant: 'acme', api: 'network', kind: 'network', name: 'b' });
    const body = Buffer.from(JSON.stringify({ metadata: { name: 'b' }, spec: { mtu: 1 } }));
    const messageId = 'directory.00000000-0000-7000-8000-000000000000.9999.0';
    unwrap(await laboratory.bus.publish(subject, { headers: {}, body }, { messageId }));
    start();
    await until(() => laboratory.states.length === 5);
    expect(laboratory.states.at(-1)?.json).toMatchObject({ kind: 'Network', metadata: { name: 'b' } });
    await settled(200);
    expect(laboratory.states).toHaveLength(5);
  });

  it('is repaired as soon as the store takes changes again; the log tells when that fails first and when it ends', async () => {
    await lose();
    laboratory.store.isDiskFull = true;
    start();
    await settled(200);
    await laboratory.clock.advance(500);
    await settled(200);
    expect(await inStream()).toEqual({});
    expect(log.at('warn')).toEqual([
      expect.stringMatching(/^the stream of states is not compared with what is stored: .*full/),
    ]);
    laboratory.store.isDiskFull = false;
    await laboratory.clock.advance(2_000);
    await until(() => laboratory.states.length === 6);
    expect(await inStream()).toEqual({ a: 'there', b: 'there', c: 'there' });
    await until(() => log.at('info').length === 1);
    expect(log.lines).toHaveLength(2);
  });

  it('tells of a change that is made meanwhile, and not of what was before', async () => {
    await lose();
    start();
    await laboratory.intent('b', { mtu: 1_400 });
    await laboratory.intent('c', { operation: 'delete' });
    await until(() => laboratory.states.some(({ headers }) => headers[HEADERS.operation] === 'delete'));
    await settled(500);
    expect(await inStream()).toEqual({ a: 'there', b: 'there', c: 'delete' });
    const last = laboratory.states.findLast(({ json }) => json.metadata?.name === 'b');
    expect(last?.json.spec).toMatchObject({ mtu: 1_400 });
  });
});

it('a broker that has no such stream is asked again until it has', async () => {
  const laboratory = await Laboratory.open();
  await laboratory.intent('a');
  const broker = new InProcessBroker({ clock: laboratory.clock });
  const bus = broker.connect();
  let asked = 0;
  const repair = new StateRepair({
    bus,
    clock: laboratory.clock,
    random: systemRandom,
    api: 'network',
    service: {
      repairStates: (published) => {
        asked++;
        return laboratory.service.repairStates(published);
      },
    },
  });
  repair.start();
  await settled();
  expect(asked).toBe(0);
  unwrap(await broker.provision(STREAMS, 'apply'));
  await laboratory.clock.advance(1_000);
  await until(() => asked === 1);
  await repair[Symbol.asyncDispose]();
  await laboratory.close();
});
