import { describe, expect, it } from '@jest/globals';
import { HEADERS } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { parkedMessage } from '../dead-letter.js';
import type { Delivery, Received } from '../port.js';
import { Collector, Gate } from './collector.js';
import { AN_HOUR, ack, message, retry, textOf, type World } from './world.js';

export function consumeContract(world: World): void {
  describe('consume', () => {
    it('delivers what was published before, with subject, headers, body, sequence, time and count', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const sent = message('hello', { [HEADERS.operation]: 'apply' });
      const start = Date.now();
      unwrap(await world.bus.publish(`${at.root}.a`, sent, { messageId: 'id-1' }));
      const seen = new Collector<Delivery>();
      await world.consume(at, async (delivery) => {
        seen.add(delivery);
        return ack;
      });
      const [delivery] = await seen.atLeast(1);
      expect({ ...delivery, body: textOf(delivery ?? sent) }).toEqual({
        subject: `${at.root}.a`,
        headers: { [HEADERS.operation]: 'apply', [HEADERS.messageId]: 'id-1' },
        body: 'hello',
        deliveries: 1,
        streamSequence: 1,
        storedAt: expect.any(Number),
        streamMadeAt: expect.any(Number),
      });
      expect(delivery?.storedAt).toBeGreaterThanOrEqual(start - 1);
      expect(delivery?.storedAt).toBeLessThanOrEqual(Date.now() + 1);
      expect(delivery?.streamMadeAt).toBeGreaterThan(0);
      expect(delivery?.streamMadeAt).toBeLessThanOrEqual(Date.now() + 1);
    });

    it('keeps its position: who consumes later gets only what was not settled', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.publish([`${at.root}.a`, '1'], [`${at.root}.b`, '2']);
      const first = new Collector<string>();
      const subscription = await world.consume(at, async (delivery) => {
        first.add(textOf(delivery));
        return ack;
      });
      await first.atLeast(2);
      await subscription[Symbol.asyncDispose]();
      await world.publish([`${at.root}.a`, '3']);
      const second = new Collector<string>();
      const bus = await world.connect();
      await world.consume(
        at,
        async (delivery) => {
          second.add(textOf(delivery));
          return ack;
        },
        {},
        bus,
      );
      expect(await second.atLeast(1)).toEqual(['3']);
    });

    it('what is not settled is delivered again, counted, until it is; then never again', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const seen = new Collector<string>();
      await world.publish([`${at.root}.a`, 'x']);
      await world.consume(
        at,
        async (delivery) => {
          seen.add(`${textOf(delivery)}${delivery.deliveries}`);
          if (textOf(delivery) === 'x' && delivery.deliveries < 3) return retry;
          return ack;
        },
        { maxDeliveries: 10, backoffMilliseconds: [0] },
      );
      await seen.atLeast(3);
      await world.publish([`${at.root}.a`, 'end']);
      expect(await seen.atLeast(4)).toEqual(['x1', 'x2', 'x3', 'end1']);
    });

    it('a handler that throws is asked again', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const seen = new Collector<number>();
      await world.publish([`${at.root}.a`, 'x']);
      await world.consume(at, async ({ deliveries }) => {
        seen.add(deliveries);
        if (deliveries === 1) throw new Error('a bug');
        return ack;
      });
      expect(await seen.atLeast(2)).toEqual([1, 2]);
    });

    it('a parked message is a dead letter with reason, count, its id and headers, and is not delivered again', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const letters = new Collector<Received>();
      await world.watchDead(`${at.root}.>`, (letter) => letters.add(letter));
      const seen = new Collector<string>();
      await world.consume(at, async (delivery) => {
        seen.add(textOf(delivery));
        return textOf(delivery) === 'poison' ? { kind: 'park', reason: 'not\nJSON' } : ack;
      });
      const sent = message('poison', { traceparent: '00-1' });
      unwrap(await world.bus.publish(`${at.root}.a`, sent, { messageId: 'poison-1' }));
      const [letter] = await letters.atLeast(1);
      expect(letter?.subject).toBe(`outboard.v1alpha1.dead.${at.root}.a`);
      expect(letter?.headers).toMatchObject({
        [HEADERS.deadReason]: 'not JSON',
        [HEADERS.deadDeliveries]: '1',
        [HEADERS.deadMessageId]: 'poison-1',
        [HEADERS.deadSequence]: '1',
        traceparent: '00-1',
      });
      const parked = letter && parkedMessage(letter);
      expect(parked && { ...parked, message: textOf(parked.message) }).toEqual({
        subject: `${at.root}.a`,
        message: 'poison',
        messageId: 'poison-1',
        streamSequence: 1,
      });
      expect(parked?.message.headers).toEqual({ traceparent: '00-1', [HEADERS.deadSequence]: '1' });
      await world.publish([`${at.root}.a`, 'end']);
      expect(await seen.atLeast(2)).toEqual(['poison', 'end']);
    });

    it('a message whose deliveries are used up is parked with the last reason', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const letters = new Collector<Received>();
      await world.watchDead(`${at.root}.>`, (letter) => letters.add(letter));
      await world.consume(at, async ({ deliveries }) => ({ kind: 'retry', reason: `attempt ${deliveries}` }));
      await world.publish([`${at.root}.a`, 'x']);
      const [letter] = await letters.atLeast(1);
      expect(letter?.headers[HEADERS.deadReason]).toBe('gave up after 3 deliveries: attempt 3');
      expect(letter?.headers[HEADERS.deadDeliveries]).toBe('3');
    });

    it('headers that command the broker cannot prevent parking', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const letters = new Collector<Received>();
      await world.watchDead(`${at.root}.>`, (letter) => letters.add(letter));
      await world.consume(at, async () => ({ kind: 'park', reason: 'hostile' }));
      const hostile = message('x', { 'Nats-Expected-Stream': at.stream, 'Nats-Expected-Last-Sequence': '0' });
      unwrap(await world.bus.publish(`${at.root}.a`, hostile, { messageId: 'hostile' }));
      const [letter] = await letters.atLeast(1);
      expect(letter?.headers).not.toHaveProperty('Nats-Expected-Stream');
    });

    it('a message that waits for its retry does not hold up other keys, however many of its key wait behind it', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const seen = new Collector<string>();
      const behind = Array.from({ length: 20 }, (_, index): [string, string] => [
        `${at.root}.bad`,
        `behind ${index}`,
      ]);
      await world.publish([`${at.root}.bad`, 'poison'], ...behind, [`${at.root}.good`, 'neighbour']);
      await world.consume(
        at,
        async (delivery) => {
          seen.add(textOf(delivery));
          return textOf(delivery) === 'poison' ? retry : ack;
        },
        { maxInFlight: 2, backoffMilliseconds: [AN_HOUR] },
      );
      expect(await seen.atLeast(2)).toEqual(['poison', 'neighbour']);
    });

    it('messages of one key are handled one after the other and in order, across a retry', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const texts = ['1', '2', '3', '4', '5'];
      await world.publish(...texts.map((text): [string, string] => [`${at.root}.a`, text]));
      const seen = new Collector<string>();
      let inside = 0;
      await world.consume(
        at,
        async (delivery) => {
          expect(++inside).toBe(1);
          await new Promise((resolve) => setImmediate(resolve));
          inside--;
          seen.add(`${textOf(delivery)}/${delivery.deliveries}`);
          return textOf(delivery) === '2' && delivery.deliveries < 3 ? retry : ack;
        },
        { backoffMilliseconds: [20], maxDeliveries: 5 },
      );
      expect(await seen.atLeast(7)).toEqual(['1/1', '2/1', '2/2', '2/3', '3/1', '4/1', '5/1']);
    });

    it('messages of different keys are handled in parallel, as many as maxInFlight and never more', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const names = Array.from({ length: 12 }, (_, index) => String(index));
      await world.publish(...names.map((name): [string, string] => [`${at.root}.${name}`, name]));
      const gates = new Map(names.map((name) => [name, new Gate()]));
      const entered = new Collector<string>();
      const left = new Collector<string>();
      let inside = 0;
      let most = 0;
      await world.consume(
        at,
        async (delivery) => {
          most = Math.max(most, ++inside);
          entered.add(textOf(delivery));
          await gates.get(textOf(delivery))?.opened;
          inside--;
          left.add(textOf(delivery));
          return ack;
        },
        { maxInFlight: 4 },
      );
      await entered.atLeast(4);
      for (const gate of gates.values()) gate.open();
      await left.atLeast(12);
      expect(most).toBe(4);
    });

    it('the key can be chosen', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.publish([`${at.root}.a.1`, 'one'], [`${at.root}.a.2`, 'two'], [`${at.root}.b.1`, 'other']);
      const gate = new Gate();
      const entered = new Collector<string>();
      await world.consume(
        at,
        async (delivery) => {
          entered.add(textOf(delivery));
          await gate.opened;
          return ack;
        },
        { key: ({ subject }) => subject.split('.')[1] ?? '' },
      );
      expect(await entered.atLeast(2)).toEqual(['one', 'other']);
      gate.open();
      expect(await entered.atLeast(3)).toEqual(['one', 'other', 'two']);
    });

    it('a filter leaves the rest of the stream to others', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.publish([`${at.root}.x.1`, 'x1'], [`${at.root}.y.1`, 'y1'], [`${at.root}.x.2`, 'x2']);
      const seen = { x: new Collector<string>(), y: new Collector<string>() };
      for (const part of ['x', 'y'] as const) {
        await world.consume(
          at,
          async (delivery) => {
            seen[part].add(textOf(delivery));
            return ack;
          },
          { durable: part, filterSubject: `${at.root}.${part}.>`, key: () => 'one' },
        );
      }
      expect(await seen.x.atLeast(2)).toEqual(['x1', 'x2']);
      expect(await seen.y.atLeast(1)).toEqual(['y1']);
    });

    it('two durables of a work queue may not want the same message', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.consume(at, async () => ack, { durable: 'first' });
      await expect(
        world.consume(at, async () => ack, { durable: 'second', filterSubject: `${at.root}.x` }),
      ).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    });

    it('disposing awaits the handler, settles what it answered, and hands on what was not begun', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.publish([`${at.root}.a`, '1'], [`${at.root}.a`, '2'], [`${at.root}.a`, '3']);
      const gate = new Gate();
      const entered = new Collector<string>();
      const bus = await world.connect();
      await world.consume(
        at,
        async (delivery) => {
          entered.add(textOf(delivery));
          await gate.opened;
          return ack;
        },
        {},
        bus,
      );
      await entered.atLeast(1);
      let closed = false;
      const closing = bus[Symbol.asyncDispose]().then(() => {
        closed = true;
      });
      // Time enough for closing, if it did not wait.
      const elsewhere = await world.stream();
      for (let round = 0; round < 50; round++) await world.publish([`${elsewhere.root}.a`, 'x']);
      expect(closed).toBe(false);
      gate.open();
      await closing;
      expect(entered.items).toEqual(['1']);
      const next = new Collector<string>();
      await world.consume(at, async (delivery) => {
        next.add(textOf(delivery));
        return ack;
      });
      expect(await next.atLeast(2)).toEqual(['2', '3']);
    });

    it('a specification is refused with every problem', async () => {
      const at = await world.stream();
      await expect(
        world.consume(at, async () => ack, {
          durable: 'a.b',
          filterSubject: 'x y',
          maxInFlight: 0,
          maxDeliveries: 0,
          backoffMilliseconds: [],
        }),
      ).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        violations: [
          { field: 'durable' },
          { field: 'filterSubject' },
          { field: 'maxInFlight' },
          { field: 'maxDeliveries' },
          { field: 'backoffMilliseconds' },
        ],
      });
    });

    it('a stream that does not exist is refused, and named', async () => {
      const attempt = world.consume({ stream: 'ABSENT', root: 'absent' }, async () => ack);
      await expect(attempt).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: 'STREAM_MISSING',
        metadata: { stream: 'ABSENT' },
      });
    });
  });
}
