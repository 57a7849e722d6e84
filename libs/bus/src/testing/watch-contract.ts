import { describe, expect, it } from '@jest/globals';
import { HEADERS } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import type { Subscription, Watched, WatchSpec } from '../port.js';
import { Collector, Gate } from './collector.js';
import { message, textOf, type World } from './world.js';

export function watchContract(world: World): void {
  /** What a watch says: texts, and `current`. */
  async function watch(
    { stream, root }: { stream: string; root: string },
    from: WatchSpec['from'],
    filter = '>',
  ): Promise<{ heard: Collector<string>; subscription: Subscription }> {
    const heard = new Collector<string>();
    const subscription = await world.bus.watch(
      { stream, filterSubject: `${root}.${filter}`, from },
      {
        message: (received) =>
          heard.add(
            received.headers[HEADERS.operation] === 'delete'
              ? `deleted ${received.subject}`
              : textOf(received),
          ),
        current: () => heard.add('current'),
      },
    );
    world.keep(subscription);
    return { heard, subscription };
  }

  describe('watch', () => {
    it('an empty stream is current at once; then come the changes', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 1 });
      const { heard } = await watch(at, 'last-per-subject');
      expect(await heard.atLeast(1)).toEqual(['current']);
      await world.publish([`${at.root}.a`, 'a1']);
      expect(await heard.atLeast(2)).toEqual(['current', 'a1']);
    });

    it('a last-value stream lists each subject once with its newest value, then follows', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 1 });
      await world.publish([`${at.root}.a`, 'a1'], [`${at.root}.b`, 'b1'], [`${at.root}.a`, 'a2']);
      const { heard } = await watch(at, 'last-per-subject');
      expect(await heard.until((items) => items.includes('current'))).toEqual(['b1', 'a2', 'current']);
      await world.publish([`${at.root}.b`, 'b2'], [`${at.root}.c`, 'c1']);
      expect((await heard.atLeast(5)).slice(3)).toEqual(['b2', 'c1']);
    });

    it('a log lists the newest of each subject as well, when asked so', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, 'a1'], [`${at.root}.b`, 'b1'], [`${at.root}.a`, 'a2']);
      const { heard } = await watch(at, 'last-per-subject');
      expect(await heard.until((items) => items.includes('current'))).toEqual(['b1', 'a2', 'current']);
    });

    it('tells where the stream keeps a message and since when; what is removed there is not what came since', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 1 });
      const [gone = 0] = await world.publish([`${at.root}.a`, 'a1']);
      const [kept = 0] = await world.publish([`${at.root}.a`, 'a2']);
      expect(unwrap(await world.bus.streams.remove(at.stream, gone))).toBe(false);
      const seen = new Collector<Watched>();
      world.keep(
        await world.bus.watch(
          { stream: at.stream, filterSubject: `${at.root}.>`, from: 'last-per-subject' },
          { message: (received) => seen.add(received) },
        ),
      );
      const [found] = await seen.atLeast(1);
      expect(found).toMatchObject({ streamSequence: kept, body: message('a2').body });
      // The broker runs on this machine: its clock is ours.
      expect(Math.abs(Date.now() - (found?.storedAt ?? 0))).toBeLessThan(60_000);
      expect(unwrap(await world.bus.streams.remove(at.stream, kept))).toBe(true);
      expect(unwrap(await world.bus.streams.remove(at.stream, kept))).toBe(false);
    });

    it('a tombstone is the last value of its subject', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 1 });
      await world.publish([`${at.root}.a`, 'a1']);
      const tombstone = message('', { [HEADERS.operation]: 'delete' });
      unwrap(await world.bus.publish(`${at.root}.a`, tombstone, { messageId: world.name() }));
      const { heard } = await watch(at, 'last-per-subject');
      expect(await heard.until((items) => items.includes('current'))).toEqual([
        `deleted ${at.root}.a`,
        'current',
      ]);
    });

    it('a filter chooses subjects', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 1 });
      await world.publish([`${at.root}.x.1`, 'x1'], [`${at.root}.y.1`, 'y1']);
      const { heard } = await watch(at, 'last-per-subject', 'y.*');
      await world.publish([`${at.root}.x.2`, 'x2'], [`${at.root}.y.2`, 'y2']);
      expect(await heard.atLeast(3)).toEqual(['y1', 'current', 'y2']);
    });

    it('`new` skips what is there', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, 'old']);
      const { heard } = await watch(at, 'new');
      expect(await heard.atLeast(1)).toEqual(['current']);
      await world.publish([`${at.root}.a`, 'new']);
      expect(await heard.atLeast(2)).toEqual(['current', 'new']);
    });

    it('a sequence replays from there, 0 replays all, one after the last waits for what comes', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, '1'], [`${at.root}.b`, '2'], [`${at.root}.a`, '3']);
      const all = await watch(at, 0);
      const some = await watch(at, 2);
      const none = await watch(at, 4);
      expect(await all.heard.atLeast(4)).toEqual(['1', '2', '3', 'current']);
      expect(await some.heard.atLeast(3)).toEqual(['2', '3', 'current']);
      expect(await none.heard.atLeast(1)).toEqual(['current']);
      await world.publish([`${at.root}.a`, '4']);
      expect(await none.heard.atLeast(2)).toEqual(['current', '4']);
    });

    it('a log that forgot the sequence, or does not have it yet, refuses with OUT_OF_RANGE', async () => {
      const at = await world.stream({ maxMessagesPerSubject: 2 });
      await world.publish([`${at.root}.a`, '1'], [`${at.root}.a`, '2'], [`${at.root}.a`, '3']);
      await expect(watch(at, 1)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
      await expect(watch(at, 9)).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
      expect(await (await watch(at, 2)).heard.atLeast(3)).toEqual(['2', '3', 'current']);
    });

    it('the handler is awaited: one message at a time, and disposing waits for it', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, '1'], [`${at.root}.a`, '2']);
      const gate = new Gate();
      const entered = new Collector<string>();
      const finished: string[] = [];
      const subscription = await world.bus.watch(
        { stream: at.stream, filterSubject: `${at.root}.>`, from: 0 },
        {
          message: async (received) => {
            entered.add(textOf(received));
            await gate.opened;
            finished.push(textOf(received));
          },
        },
      );
      await entered.atLeast(1);
      const closing = subscription[Symbol.asyncDispose]();
      gate.open();
      await closing;
      expect(entered.items).toEqual(['1']);
      expect(finished).toEqual(['1']);
      await subscription.closed;
    });

    it('a handler that fails ends the watch, and the failure is told', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, '1']);
      const subscription = await world.bus.watch(
        { stream: at.stream, filterSubject: `${at.root}.>`, from: 0 },
        { message: () => Promise.reject(new Error('cannot go on')) },
      );
      await expect(subscription.closed).rejects.toThrow('cannot go on');
    });

    it('a stream that does not exist is refused, and named', async () => {
      await expect(watch({ stream: 'ABSENT', root: 'absent' }, 'new')).rejects.toMatchObject({
        reason: 'STREAM_MISSING',
        metadata: { stream: 'ABSENT' },
      });
    });
  });
}
