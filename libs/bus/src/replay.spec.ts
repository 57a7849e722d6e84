import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HEADERS, subjects } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { InProcessBroker } from './in-process/broker.js';
import type { Delivery, StreamBus, Subscription, Watched } from './port.js';
import { replay } from './replay.js';
import { STREAM, STREAMS } from './streams.js';
import { Collector } from './testing/collector.js';
import { ack, message, refusal, textOf } from './testing/world.js';

const SUBJECT = subjects.intent({ tenant: 'acme', api: 'network', kind: 'port', name: 'web-0' });
const WINDOW = STREAM.intent.duplicateWindowMilliseconds;

let clock: ManualClock;
let bus: StreamBus;
let delivered: Collector<Delivery>;
let letters: Collector<Watched>;
let watch: Subscription;
/** Whether what arrives is parked. */
let isPoison: boolean;

beforeEach(async () => {
  clock = new ManualClock();
  const random = { bytes: (count: number) => new Uint8Array(count), fraction: () => 0 };
  bus = new InProcessBroker({ clock, random }).connect();
  unwrap(await bus.streams.provision(STREAMS, 'apply'));
  delivered = new Collector();
  letters = new Collector();
  isPoison = true;
  await bus.consume(
    {
      stream: STREAM.intent.name,
      durable: 'network-intents',
      filterSubject: subjects.allIntents('network'),
      maxInFlight: 8,
      backoffMilliseconds: [0],
      maxDeliveries: 3,
    },
    async (delivery) => {
      delivered.add(delivery);
      return isPoison ? { kind: 'park', reason: 'poison' } : ack;
    },
  );
  watch = await bus.watch(
    { stream: STREAM.dead.name, filterSubject: subjects.dead('>'), from: 0 },
    { message: (letter) => letters.add(letter) },
  );
});

afterEach(async () => {
  await watch[Symbol.asyncDispose]();
  await bus[Symbol.asyncDispose]();
});

/** The letter of a message that was parked. */
async function parked(messageId = 'id-1'): Promise<Watched> {
  unwrap(await bus.publish(SUBJECT, message('body', { traceparent: '00-1' }), { messageId }));
  return letter(0);
}

async function letter(index: number): Promise<Watched> {
  const found = (await letters.atLeast(index + 1))[index];
  if (!found) throw new Error(`there is no letter ${index}`);
  return found;
}

const remove = (sequence: number) => bus.streams.remove(STREAM.dead.name, sequence);

describe('a replay', () => {
  it('goes to the original subject with body, headers, place and the original id, and takes the letter away', async () => {
    const found = await parked();
    isPoison = false;
    await clock.advance(WINDOW);
    expect(unwrap(await replay(bus, found))).toEqual({ subject: SUBJECT, messageId: 'id-1' });
    const [, again] = await delivered.atLeast(2);
    expect(again).toMatchObject({ subject: SUBJECT });
    expect(again && textOf(again)).toBe('body');
    expect(again?.headers).toEqual({
      traceparent: '00-1',
      [HEADERS.messageId]: 'id-1',
      [HEADERS.deadSequence]: '1',
    });
    expect(unwrap(await remove(found.streamSequence))).toBe(false);
  });

  it('gets an id of its own while the stream still knows the original', async () => {
    const found = await parked();
    isPoison = false;
    const { messageId } = unwrap(await replay(bus, found));
    expect(messageId).toBe(`replay-1-${found.storedAt}`);
    const [, again] = await delivered.atLeast(2);
    expect(again?.headers[HEADERS.messageId]).toBe(messageId);
  });

  it.each([
    ['within', 0],
    ['after', WINDOW],
  ])('that is done twice %s the window is handled once', async (_, milliseconds) => {
    const found = await parked();
    isPoison = false;
    await clock.advance(milliseconds);
    const first = unwrap(await replay(bus, found));
    expect(unwrap(await replay(bus, found))).toEqual(first);
    unwrap(await bus.publish(SUBJECT, message('end'), { messageId: 'end' }));
    expect((await delivered.atLeast(3)).map(textOf)).toEqual(['body', 'body', 'end']);
  });

  it('that is parked again is a new letter with the first place, and can be replayed again', async () => {
    const first = await parked();
    unwrap(await replay(bus, first));
    const second = await letter(1);
    expect(second.headers[HEADERS.deadSequence]).toBe('1');
    const { messageId } = unwrap(await replay(bus, second));
    const third = await letter(2);
    expect(third.headers).toMatchObject({
      [HEADERS.deadMessageId]: messageId,
      [HEADERS.deadSequence]: '1',
    });
    expect(await delivered.atLeast(3)).toHaveLength(3);
  });

  it('that is refused leaves the letter', async () => {
    const subject = subjects.dead('outboard.v1alpha1.intent.acme.nobody.port.web-0');
    unwrap(await bus.publish(subject, message('lost'), { messageId: 'letter' }));
    const found = await letter(0);
    expect(refusal(await replay(bus, found))).toMatchObject({ reason: 'STREAM_MISSING' });
    expect(unwrap(await remove(found.streamSequence))).toBe(true);
  });

  it('of what is no dead letter is refused', async () => {
    const other = { ...message('x'), subject: SUBJECT, streamSequence: 1, storedAt: 0 };
    expect(refusal(await replay(bus, other))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
