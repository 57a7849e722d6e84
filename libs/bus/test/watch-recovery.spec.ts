import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { unwrap } from '@outboard/core';
import { Collector } from '../src/testing/collector.js';
import { textOf, type World } from '../src/testing/world.js';
import { FragileNats } from './fragile-nats.js';

/** Tests wait for what they expect; this only ends those that wait in vain. */
jest.setTimeout(30_000);

describe('watching a NATS that fails', () => {
  let nats: FragileNats;
  let world: World;

  beforeAll(async () => {
    nats = await FragileNats.open();
    world = nats.world;
  });

  afterAll(() => nats[Symbol.asyncDispose]());

  /** What a watch says, with `current` and `restart`. */
  async function watch(at: { stream: string; root: string }, from: 'last-per-subject' | 'new' | number) {
    const heard = new Collector<string>();
    const subscription = await world.bus.watch(
      { stream: at.stream, filterSubject: `${at.root}.>`, from },
      {
        message: (received) => heard.add(textOf(received)),
        current: () => heard.add('current'),
        restart: () => heard.add('restart'),
      },
    );
    world.keep(subscription);
    return { heard, subscription };
  }

  /** The stream, as new as if it had never been. */
  const lose = async (at: { stream: string; root: string }, changes = {}): Promise<void> => {
    expect(await nats.api(`STREAM.DELETE.${at.stream}`)).toMatchObject({ success: true });
    unwrap(await world.bus.streams.provision([world.specOf(at.root, changes)], 'apply'));
  };

  it('goes on after a restart of the server, without a gap and without repeating', async () => {
    const values = await world.stream({ maxMessagesPerSubject: 1 });
    const log = await world.stream();
    const idle = await world.stream();
    await world.publish([`${values.root}.a`, 'a1'], [`${values.root}.b`, 'b1'], [`${log.root}.a`, '1']);
    const watches = {
      values: await watch(values, 'last-per-subject'),
      log: await watch(log, 0),
      fresh: await watch(log, 'new'),
      idle: await watch(idle, 'new'),
    };
    await watches.values.heard.atLeast(3);
    await watches.log.heard.atLeast(2);
    await watches.fresh.heard.atLeast(1);
    await watches.idle.heard.atLeast(1);
    await nats.server.kill();
    await nats.server.start();
    // The publisher may be back before the watches: what they miss is the point.
    await world.publish([`${values.root}.a`, 'a2'], [`${log.root}.a`, '2'], [`${idle.root}.a`, 'first']);
    await world.publish([`${values.root}.c`, 'c1'], [`${log.root}.a`, '3']);
    expect(await watches.values.heard.until((items) => items.includes('c1'))).toEqual([
      'a1',
      'b1',
      'current',
      'a2',
      'c1',
    ]);
    expect(await watches.log.heard.until((items) => items.includes('3'))).toEqual(['1', 'current', '2', '3']);
    expect(await watches.fresh.heard.until((items) => items.includes('3'))).toEqual(['current', '2', '3']);
    expect(await watches.idle.heard.atLeast(2)).toEqual(['current', 'first']);
  });

  it('starts over when the server lost the stream: restart, what there is now, current', async () => {
    const values = await world.stream({ maxMessagesPerSubject: 1 });
    const log = await world.stream();
    for (const { root } of [values, log]) {
      await world.publish([`${root}.a`, '1'], [`${root}.b`, '2'], [`${root}.c`, '3']);
    }
    const last = await watch(values, 'last-per-subject');
    const all = await watch(log, 0);
    const before = ['1', '2', '3', 'current'];
    expect(await last.heard.atLeast(4)).toEqual(before);
    expect(await all.heard.atLeast(4)).toEqual(before);
    await lose(values, { maxMessagesPerSubject: 1 });
    await lose(log);
    await world.publish([`${values.root}.a`, 'new'], [`${log.root}.a`, 'new']);
    for (const { heard } of [last, all]) {
      // Found empty first, or with its first message: both are told by what comes before `current`.
      const items = (await heard.atLeast(7)).slice(4);
      expect(items[0]).toBe('restart');
      expect(items.slice(1).sort()).toEqual(['current', 'new']);
    }
  });

  it('a last-value watch starts over when the last message that it saw is gone: nothing else proves what it has', async () => {
    const at = await world.stream({ maxMessagesPerSubject: 1 });
    await world.publish([`${at.root}.a`, 'a1'], [`${at.root}.b`, 'b1']);
    const { heard } = await watch(at, 'last-per-subject');
    await heard.atLeast(3);
    const [consumer] = await nats.consumersOf(at.stream);
    await nats.api(`STREAM.PURGE.${at.stream}`, { filter: `${at.root}.b` });
    await nats.api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
    expect(await heard.atLeast(6)).toEqual(['a1', 'b1', 'current', 'restart', 'a1', 'current']);
  });

  it('starts over even when the new stream has grown past what was seen of the old one', async () => {
    const values = await world.stream({ maxMessagesPerSubject: 1 });
    await world.publish([`${values.root}.a`, 'a1']);
    const { heard } = await watch(values, 'last-per-subject');
    await heard.atLeast(2);
    await nats.server.kill();
    await nats.server.loseStore();
    await nats.server.start();
    unwrap(
      await world.bus.streams.provision([world.specOf(values.root, { maxMessagesPerSubject: 1 })], 'apply'),
    );
    await world.publish([`${values.root}.z`, 'z'], [`${values.root}.y`, 'y'], [`${values.root}.x`, 'x']);
    const items = await heard.until((all) => ['x', 'y', 'z'].every((value) => all.includes(value)));
    expect(items.slice(0, 3)).toEqual(['a1', 'current', 'restart']);
    await heard.until((all) => all.lastIndexOf('current') > 2);
    // The suite's own streams went with the store.
    const dead = world.specOf('dead', { name: 'DEAD', subjects: [`${SUBJECT_PREFIX}.dead.>`] });
    unwrap(await world.bus.streams.provision([dead], 'apply'));
  });

  it('makes its consumer again when it was deleted, and goes on', async () => {
    const at = await world.stream();
    await world.publish([`${at.root}.a`, '1']);
    const { heard } = await watch(at, 0);
    await heard.atLeast(2);
    const [consumer, ...others] = await nats.consumersOf(at.stream);
    expect(others).toEqual([]);
    await nats.api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
    await world.publish([`${at.root}.a`, '2']);
    expect(await heard.atLeast(3)).toEqual(['1', 'current', '2']);
  });

  it('a log that forgot what comes next ends with OUT_OF_RANGE', async () => {
    const at = await world.stream();
    await world.publish([`${at.root}.a`, '1']);
    const { heard, subscription } = await watch(at, 0);
    await heard.atLeast(2);
    const [consumer] = await nats.consumersOf(at.stream);
    await nats.api(`STREAM.PURGE.${at.stream}`);
    await nats.api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
    await expect(subscription.closed).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
  });

  it('leaves no consumer behind when it is disposed', async () => {
    const at = await world.stream();
    const { heard, subscription } = await watch(at, 0);
    await heard.atLeast(1);
    await subscription[Symbol.asyncDispose]();
    // The deletion was sent before this publish, by the same connection.
    await world.publish([`${at.root}.a`, '1']);
    expect(await nats.consumersOf(at.stream)).toEqual([]);
  });
});
