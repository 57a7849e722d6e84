import { describe, expect, it } from '@jest/globals';
import { unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import type { StreamSpec } from '../port.js';
import { Collector } from '../testing/collector.js';
import { ack, message, refusal, retry, textOf } from '../testing/world.js';
import { InProcessBroker } from './broker.js';

const SPEC: StreamSpec = {
  name: 'S',
  subjects: ['s.>'],
  storage: 'memory',
  retention: 'limits',
  maxAgeMilliseconds: 60_000,
  maxBytes: 1_000_000,
  whenFull: 'discard-oldest',
  maxMessageBytes: 10_000,
  maxMessages: -1,
  maxMessagesPerSubject: -1,
  duplicateWindowMilliseconds: 10_000,
};

/** A broker whose time the test owns, with one stream. Nothing random. */
async function world() {
  const clock = new ManualClock();
  const random = { bytes: (count: number) => new Uint8Array(count), fraction: () => 0 };
  const broker = new InProcessBroker({ clock, random });
  const bus = broker.connect();
  unwrap(await bus.streams.provision([SPEC], 'apply'));
  const publish = async (text: string, messageId: string) =>
    unwrap(await bus.publish('s.a', message(text), { messageId }));
  const read = async (): Promise<readonly string[]> => {
    const seen = new Collector<string>();
    const watch = await bus.watch(
      { stream: 'S', filterSubject: 's.>', from: 0 },
      { message: (received) => seen.add(textOf(received)), current: () => seen.add('current') },
    );
    const all = await seen.until((items) => items.includes('current'));
    await watch[Symbol.asyncDispose]();
    return all;
  };
  return { clock, bus, publish, read };
}

describe('time, in process', () => {
  it('an id is recognised within the window, and is new after it', async () => {
    const { clock, publish } = await world();
    expect(await publish('x', 'id')).toMatchObject({ sequence: 1, duplicate: false });
    await clock.advance(9_999);
    expect(await publish('x', 'id')).toMatchObject({ sequence: 1, duplicate: true });
    await clock.advance(1);
    expect(await publish('x', 'id')).toMatchObject({ sequence: 2, duplicate: false });
  });

  it('a stream forgets what is older than its limit', async () => {
    const { clock, publish, read } = await world();
    await publish('old', '1');
    await clock.advance(30_000);
    await publish('young', '2');
    expect(await read()).toEqual(['old', 'young', 'current']);
    await clock.advance(30_000);
    expect(await read()).toEqual(['young', 'current']);
  });

  it('a redelivery comes when its backoff is over and not before', async () => {
    const { clock, bus, publish } = await world();
    const seen: [deliveries: number, at: number][] = [];
    await bus.consume(
      {
        stream: 'S',
        durable: 'd',
        filterSubject: 's.>',
        maxInFlight: 1,
        backoffMilliseconds: [100, 1_000],
        maxDeliveries: 10,
      },
      async ({ deliveries }) => {
        seen.push([deliveries, clock.monotonic()]);
        return deliveries < 4 ? retry : ack;
      },
    );
    await publish('x', '1');
    await clock.advance(99);
    expect(seen).toEqual([[1, 0]]);
    await clock.advance(5_000);
    expect(seen).toEqual([
      [1, 0],
      [2, 100],
      [3, 1_100],
      [4, 2_100],
    ]);
  });

  it('a request that nobody answers in time ends at its deadline', async () => {
    const { clock, bus } = await world();
    await bus.subscribe('quiet', () => {});
    let ended = false;
    const pending = bus.request('quiet', message(), { deadlineMilliseconds: 500 }).then((result) => {
      ended = true;
      return result;
    });
    await clock.advance(499);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(refusal(await pending).code).toBe('DEADLINE_EXCEEDED');
  });

  it('closing waits ten seconds for a handler that does not return, and no longer', async () => {
    const { clock, bus, publish } = await world();
    const entered = new Collector<string>();
    await bus.consume(
      {
        stream: 'S',
        durable: 'd',
        filterSubject: 's.>',
        maxInFlight: 1,
        backoffMilliseconds: [1],
        maxDeliveries: 1,
      },
      (delivery) => {
        entered.add(textOf(delivery));
        return new Promise(() => {});
      },
    );
    await publish('x', '1');
    await entered.atLeast(1);
    let closed = false;
    const closing = bus[Symbol.asyncDispose]().then(() => {
      closed = true;
    });
    await clock.advance(9_999);
    expect(closed).toBe(false);
    await clock.advance(1);
    await closing;
  });
});
