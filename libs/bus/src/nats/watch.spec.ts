import { expect, it } from '@jest/globals';
import { AppError, err, ok, systemRandom } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import type { JetStream } from './jetstream.js';
import type { Link, LinkListener } from './link.js';
import { NatsWatch } from './watch.js';

it('a watch stays open that was opened while an older attempt still waits to try again', async () => {
  const clock = new ManualClock();
  let listener: LinkListener = {};
  let open = 0;
  let isThere = true;
  const connection = {
    isClosed: () => false,
    subscribe: () => {
      open++;
      return { unsubscribe: () => open-- };
    },
  };
  const link = {
    clock,
    random: systemRandom,
    connection,
    inbox: () => 'inbox',
    send: () => undefined,
    listen: (given: LinkListener) => {
      listener = given;
      return { [Symbol.dispose]: () => undefined };
    },
  } as unknown as Link;
  const jetStream = {
    setConsumer: async (_stream: string, name: string) =>
      isThere
        ? ok({ name, delivered: { stream_seq: 0 }, num_pending: 0 })
        : err(new AppError('FAILED_PRECONDITION', 'there is no stream')),
    deleteConsumer: async () => ok(undefined),
  } as unknown as JetStream;
  const spec = { stream: 'OUTBOARD_EVENT', filterSubject: '>', from: 'new' } as const;
  const watch = new NatsWatch(link, jetStream, spec, { message: () => undefined });
  await watch.start();
  expect(open).toBe(1);

  listener.down?.();
  isThere = false;
  listener.up?.();
  await clock.advance(0);
  listener.down?.();
  isThere = true;
  listener.up?.();
  await clock.advance(0);
  expect(open).toBe(1);
  await clock.advance(5_000);
  expect(open).toBe(1);
  await watch.stop();
});
