import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { connectNats, InProcessBroker, STREAM, STREAMS, type StreamBus } from '@outboard/bus';
import { type Api, HEADERS, subjects } from '@outboard/contracts';
import { AppError, err, unwrap } from '@outboard/core';
import { ManualClock, startNatsServer } from '@outboard/testkit';
import { TombstoneSweeper } from '../src/index.js';

/** Tests wait for what they expect; this only ends those that wait in vain. */
jest.setTimeout(30_000);

const HOUR = 60 * 60_000;

const brokers = {
  'in process': async () => {
    const bus = new InProcessBroker().connect();
    return { bus, close: async () => bus[Symbol.asyncDispose]() };
  },
  'over NATS': async () => {
    const server = await startNatsServer();
    const bus = await connectNats({ servers: server.url, name: 'tombstones' });
    const close = async (): Promise<void> => {
      await bus[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    };
    return { bus, close };
  },
};

/** A sweep is over when it has scheduled the next one. */
class SweepClock extends ManualClock {
  #scheduled = (): void => {};

  nextSchedule(): Promise<void> {
    return new Promise((resolve) => {
      this.#scheduled = resolve;
    });
  }

  override schedule(...alarm: Parameters<ManualClock['schedule']>): Disposable {
    this.#scheduled();
    return super.schedule(...alarm);
  }
}

describe.each(Object.entries(brokers))('tombstones %s', (_, open) => {
  let bus: StreamBus;
  let close: () => Promise<void>;
  let messages: number;
  /** The broker's clock is this machine's; the sweeper's says how old things are. */
  let clock: SweepClock;
  let sweeper: TombstoneSweeper | undefined;

  beforeEach(async () => {
    ({ bus, close } = await open());
    unwrap(await bus.streams.provision(STREAMS, 'apply'));
    messages = 0;
    clock = new SweepClock(Date.now());
    sweeper = undefined;
  });

  afterEach(async () => {
    await sweeper?.[Symbol.asyncDispose]();
    await close();
  });

  const publish = async (name: string, operation?: 'delete', api: Api = 'network'): Promise<number> => {
    const subject = subjects.state({ tenant: 'acme', api, kind: 'port', name });
    const headers = operation ? { [HEADERS.operation]: operation } : {};
    const message = { headers, body: Buffer.from('{}') };
    return unwrap(await bus.publish(subject, message, { messageId: `m-${++messages}` })).sequence;
  };

  const remove = (name: string, api?: Api): Promise<number> => publish(name, 'delete', api);

  const removal: StreamBus['streams']['remove'] = (...which) => bus.streams.remove(...which);

  /** Sequences that the stream of states holds. */
  const sequences = async (): Promise<number[]> => {
    const found: number[] = [];
    await new Promise<void>((current, failed) => {
      const message = ({ streamSequence }: { streamSequence: number }) => void found.push(streamSequence);
      const spec = { stream: STREAM.state.name, filterSubject: 'outboard.v1alpha1.state.>' };
      bus
        .watch({ ...spec, from: 'last-per-subject' }, { message, current })
        .then(({ closed }) => closed.catch(failed), failed);
    });
    return found;
  };

  /** One sweep at start, so many hours later. */
  const sweep = async (hours: number, remove = removal): Promise<void> => {
    await sweeper?.[Symbol.asyncDispose]();
    await clock.advance(hours * HOUR);
    const over = clock.nextSchedule();
    const watch: StreamBus['watch'] = (...watching) => bus.watch(...watching);
    sweeper = new TombstoneSweeper({ bus: { watch, streams: { remove } }, clock, api: 'network' });
    sweeper.start();
    await over;
  };

  it('that are old are removed; states, however old, and young tombstones stay', async () => {
    const state = await publish('stays');
    await publish('gone');
    const tombstone = await remove('gone');
    await sweep(1);
    expect(await sequences()).toEqual([state, tombstone]);
    await sweep(2);
    expect(await sequences()).toEqual([state]);
  });

  it('are looked for again every hour', async () => {
    const tombstone = await remove('gone');
    await sweep(0);
    const held: number[][] = [];
    for (let hour = 1; hour <= 3; hour++) {
      const over = clock.nextSchedule();
      await clock.advance(HOUR);
      await over;
      held.push(await sequences());
    }
    expect(held).toEqual([[tombstone], [tombstone], []]);
  });

  it('of an object that comes back while they are removed do not take its new state with them', async () => {
    await remove('returns');
    let returned: number | undefined;
    await sweep(3, async (stream, sequence) => {
      returned = await publish('returns');
      return removal(stream, sequence);
    });
    expect(await sequences()).toEqual([returned]);
  });

  it('of another API are left to the service that owns it', async () => {
    const other = await remove('gone', 'admin');
    await remove('gone');
    await sweep(3);
    expect(await sequences()).toEqual([other]);
  });

  it('are removed by the next sweep when this one is refused', async () => {
    const tombstone = await remove('gone');
    await sweep(3, async () => err(new AppError('UNAVAILABLE', 'the broker is away')));
    expect(await sequences()).toEqual([tombstone]);
    await sweep(0);
    expect(await sequences()).toEqual([]);
  });

  it('are removed in any number', async () => {
    const state = await publish('stays');
    const names = Array.from({ length: 10_500 }, (_, index) => `gone-${index}`);
    const work = async (): Promise<void> => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) await remove(name);
    };
    await Promise.all(Array.from({ length: 64 }, work));
    await sweep(3);
    expect(await sequences()).toEqual([state]);
  });
});
