import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { Collector, Gate } from '../testing/collector.js';
import {
  AN_HOUR,
  ack,
  type BusHarness,
  message,
  PATIENT,
  refusal,
  retry,
  textOf,
  World,
} from '../testing/world.js';
import { connectNats } from './bus.js';

/** Tests wait for what they expect, as long as it takes; this only ends those that wait in vain. */
const LIMIT = 30_000;

describe('NATS that fails', () => {
  let server: NatsServer;
  let raw: NatsConnection;
  const world = new World();

  beforeAll(async () => {
    server = await startNatsServer();
    raw = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const harness: BusHarness = {
      connect: () => connectNats({ servers: server.url, name: 'recovery' }),
      [Symbol.asyncDispose]: async () => {},
    };
    await world.begin(harness);
  });

  afterAll(async () => {
    await world.end();
    await raw.close();
    await server[Symbol.asyncDispose]();
  });

  /** A call of the JetStream API by somebody else. */
  const api = async (call: string, body: object | '' = ''): Promise<Record<string, unknown>> => {
    const answer = await raw.request(`$JS.API.${call}`, body === '' ? '' : JSON.stringify(body));
    return answer.json();
  };

  const restart = async (): Promise<void> => {
    await server.kill();
    await server.start();
    await raw.flush().catch(() => raw.flush());
  };

  /** What the server knows of a consumer, once that is as wanted: it hears of acknowledgements and deaths later. */
  const consumerOnce = async (
    stream: string,
    wanted: (info: { num_ack_pending: number; num_waiting: number }) => boolean,
  ): Promise<void> => {
    for (;;) {
      const info = await api(`CONSUMER.INFO.${stream}.owner`);
      if (wanted(info as { num_ack_pending: number; num_waiting: number })) return;
    }
  };
  const settled = (stream: string) => consumerOnce(stream, (info) => info.num_ack_pending === 0);

  describe('publish', () => {
    it(
      'what is published while the server is away is stored when it is back, once and in order',
      async () => {
        const at = await world.stream();
        await world.publish([`${at.root}.a`, 'before']);
        const disconnected = new Collector<string>();
        world.bus.onState((state) => disconnected.add(state));
        await server.kill();
        await disconnected.until((states) => states.includes('reconnecting'));
        const pending = Array.from({ length: 50 }, (_, index) =>
          world.bus.publish(`${at.root}.a`, message(String(index)), { messageId: `away-${index}` }),
        );
        await server.start();
        const sequences = (await Promise.all(pending)).map((one) => unwrap(one).sequence);
        expect(sequences).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
      },
      LIMIT,
    );

    it(
      'what is under way when the server dies is sent again: nothing is lost, nothing doubled',
      async () => {
        const at = await world.stream();
        const pending = Array.from({ length: 2_000 }, (_, index) =>
          world.bus.publish(`${at.root}.a`, message(String(index)), { messageId: `way-${index}` }),
        );
        await Promise.race(pending);
        await restart();
        for (const one of await Promise.all(pending)) unwrap(one);
        const read = new Collector<string>();
        world.keep(
          await world.bus.watch(
            { stream: at.stream, filterSubject: `${at.root}.>`, from: 0 },
            { message: (received) => read.add(textOf(received)), current: () => read.add('current') },
          ),
        );
        const all = await read.until((items) => items.includes('current'));
        expect(all).toEqual([...Array.from({ length: 2_000 }, (_, index) => String(index)), 'current']);
      },
      LIMIT,
    );
  });

  describe('request', () => {
    /** Service and caller on connections of their own. */
    async function echo(handle: () => Promise<void> = async () => {}) {
      const name = world.name();
      const bus = await world.connect();
      await bus.serve({
        name,
        version: '1.0.0',
        description: '',
        maxInFlight: 10,
        endpoints: [
          {
            name: 'echo',
            subject: `rpc.${name}`,
            handle: async (request) => {
              await handle();
              return ok(message(textOf(request)));
            },
          },
        ],
      });
      return `rpc.${name}`;
    }

    it(
      'one that is under way when the server dies is refused at once, not at its deadline',
      async () => {
        const entered = new Gate();
        const gate = new Gate();
        const subject = await echo(async () => {
          entered.open();
          await gate.opened;
        });
        const pending = world.bus.request(subject, message(), { deadlineMilliseconds: AN_HOUR });
        await entered.opened;
        await restart();
        expect(refusal(await pending)).toMatchObject({ code: 'UNAVAILABLE', reason: 'DISCONNECTED' });
        gate.open();
      },
      LIMIT,
    );

    it(
      'one that is made while the server is away is sent when it is back, to services that are back too',
      async () => {
        const subject = await echo();
        await server.kill();
        const states = new Collector<string>();
        world.bus.onState((state) => states.add(state));
        await states.until((seen) => seen.includes('reconnecting'));
        const early = world.bus.request(subject, message(), { deadlineMilliseconds: 1 });
        expect(refusal(await early)).toMatchObject({ code: 'UNAVAILABLE', reason: 'DISCONNECTED' });
        await server.start();
        // The service may come back after the caller.
        let answer = await world.bus.request(subject, message('x'), PATIENT);
        while (!answer.ok && answer.error.reason === 'NO_RESPONDERS') {
          answer = await world.bus.request(subject, message('x'), PATIENT);
        }
        expect(textOf(unwrap(answer))).toBe('x');
      },
      LIMIT,
    );
  });

  describe('consume', () => {
    it(
      'goes on after restarts of the server: every message is handled, those of a key in order',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        const keys = ['a', 'b', 'c', 'd'];
        const handled = new Collector<string>();
        const first = new Map<string, number[]>();
        await world.consume(
          at,
          async (delivery) => {
            const [key = '', number] = textOf(delivery).split(' ');
            const numbers = first.get(key) ?? [];
            // A message whose acknowledgement was lost comes again; it counts once.
            if (!numbers.includes(Number(number))) numbers.push(Number(number));
            first.set(key, numbers);
            await new Promise((resolve) => setImmediate(resolve));
            handled.add(textOf(delivery));
            return ack;
          },
          { maxInFlight: 20, maxDeliveries: 100 },
        );
        const publishing = (async () => {
          for (let number = 0; number < 300; number++) {
            await world.publish(
              ...keys.map((key): [string, string] => [`${at.root}.${key}`, `${key} ${number}`]),
            );
          }
        })();
        for (const progress of [100, 500, 900]) {
          await handled.atLeast(progress);
          await restart();
        }
        await publishing;
        const expected = Array.from({ length: 300 }, (_, number) => number);
        await handled.until(() => keys.every((key) => first.get(key)?.length === 300));
        for (const key of keys) expect([key, first.get(key)]).toEqual([key, expected]);
      },
      LIMIT,
    );

    it(
      'takes over at once, in order, what a process that died left unsettled',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        const setUp = await world.consume(at, async () => ack);
        await setUp[Symbol.asyncDispose]();
        await world.publish(...['1', '2', '3', '4'].map((text): [string, string] => [`${at.root}.a`, text]));
        const victim = await connect({ servers: server.url });
        const taken = new Collector<string>();
        victim.subscribe('victim', { callback: (_, received) => taken.add(received.string()) });
        const pull = JSON.stringify({ batch: 10, expires: 60e9 });
        victim.publish(`$JS.API.CONSUMER.MSG.NEXT.${at.stream}.owner`, pull, { reply: 'victim' });
        await taken.atLeast(4);
        await victim.close();
        await consumerOnce(at.stream, (info) => info.num_waiting === 0);
        await world.publish([`${at.root}.a`, '5']);
        const seen = new Collector<string>();
        await world.consume(at, async (delivery) => {
          seen.add(`${textOf(delivery)}/${delivery.deliveries}`);
          return ack;
        });
        expect(await seen.atLeast(5)).toEqual(['1/2', '2/2', '3/2', '4/2', '5/1']);
      },
      LIMIT,
    );

    it(
      'makes its consumer again when somebody deleted it',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        const seen = new Collector<string>();
        await world.consume(at, async (delivery) => {
          seen.add(textOf(delivery));
          return ack;
        });
        await world.publish([`${at.root}.a`, '1']);
        await seen.atLeast(1);
        await settled(at.stream);
        await api(`CONSUMER.DELETE.${at.stream}.owner`);
        await world.publish([`${at.root}.a`, '2']);
        expect(await seen.atLeast(2)).toEqual(['1', '2']);
      },
      LIMIT,
    );

    it(
      'waits for a stream that was deleted, and goes on when it is there again',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        const seen = new Collector<string>();
        await world.consume(at, async (delivery) => {
          seen.add(textOf(delivery));
          return ack;
        });
        await world.publish([`${at.root}.a`, '1']);
        await seen.atLeast(1);
        await settled(at.stream);
        expect(await api(`STREAM.DELETE.${at.stream}`)).toMatchObject({ success: true });
        unwrap(
          await world.bus.streams.provision([world.specOf(at.root, { retention: 'workqueue' })], 'apply'),
        );
        await world.publish([`${at.root}.a`, '2']);
        expect(await seen.atLeast(2)).toEqual(['1', '2']);
      },
      LIMIT,
    );

    it(
      'changes a consumer that is not as specified, and refuses one that is not a consumer of this kind',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        await (await world.consume(at, async () => ack, { maxInFlight: 1 }))[Symbol.asyncDispose]();
        await (await world.consume(at, async () => ack, { maxInFlight: 7 }))[Symbol.asyncDispose]();
        expect(await api(`CONSUMER.INFO.${at.stream}.owner`)).toMatchObject({
          config: { max_ack_pending: 1_007 },
        });

        const log = await world.stream();
        const pushing = {
          durable_name: 'owner',
          name: 'owner',
          deliver_subject: 'x',
          ack_policy: 'explicit',
        };
        await api(`CONSUMER.CREATE.${log.stream}.owner`, { stream_name: log.stream, config: pushing });
        await expect(world.consume(log, async () => ack)).rejects.toMatchObject({
          code: 'FAILED_PRECONDITION',
          reason: 'CONSUMER_DIFFERS',
        });
      },
      LIMIT,
    );

    it(
      'keeps a message that cannot be parked, until its dead letter is stored',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        expect(await api('STREAM.DELETE.DEAD')).toMatchObject({ success: true });
        const tries = new Collector<number>();
        await world.consume(at, async ({ deliveries }) => {
          tries.add(deliveries);
          return { kind: 'park', reason: 'poison' };
        });
        await world.publish([`${at.root}.a`, 'poison']);
        await tries.atLeast(2);
        const dead = world.specOf('dead', { name: 'DEAD', subjects: [`${SUBJECT_PREFIX}.dead.>`] });
        unwrap(await world.bus.streams.provision([dead], 'apply'));
        const letters = new Collector<string>();
        await world.watchDead(`${at.root}.>`, (letter) => letters.add(textOf(letter)));
        expect(await letters.atLeast(1)).toEqual(['poison']);
      },
      LIMIT,
    );

    it(
      'a retry that waits when the server dies is not forgotten',
      async () => {
        const at = await world.stream({ retention: 'workqueue' });
        const seen = new Collector<string>();
        await world.consume(
          at,
          async (delivery) => {
            seen.add(textOf(delivery));
            return seen.items.length === 1 ? retry : ack;
          },
          { backoffMilliseconds: [AN_HOUR] },
        );
        await world.publish([`${at.root}.a`, 'x']);
        await seen.atLeast(1);
        await restart();
        expect(await seen.atLeast(2)).toEqual(['x', 'x']);
      },
      LIMIT,
    );
  });

  describe('watch', () => {
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

    const consumersOf = async (stream: string): Promise<readonly string[]> =>
      ((await api(`CONSUMER.NAMES.${stream}`, {})) as { consumers: string[] | null }).consumers ?? [];

    /** The stream, as new as if it had never been. */
    const lose = async (at: { stream: string; root: string }, changes = {}): Promise<void> => {
      expect(await api(`STREAM.DELETE.${at.stream}`)).toMatchObject({ success: true });
      unwrap(await world.bus.streams.provision([world.specOf(at.root, changes)], 'apply'));
    };

    it(
      'goes on after a restart of the server, without a gap and without repeating',
      async () => {
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
        await server.kill();
        await server.start();
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
        expect(await watches.log.heard.until((items) => items.includes('3'))).toEqual([
          '1',
          'current',
          '2',
          '3',
        ]);
        expect(await watches.fresh.heard.until((items) => items.includes('3'))).toEqual([
          'current',
          '2',
          '3',
        ]);
        expect(await watches.idle.heard.atLeast(2)).toEqual(['current', 'first']);
      },
      LIMIT,
    );

    it(
      'starts over when the server lost the stream: restart, what there is now, current',
      async () => {
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
      },
      LIMIT,
    );

    it(
      'a last-value watch starts over when the last message that it saw is gone: nothing else proves what it has',
      async () => {
        const at = await world.stream({ maxMessagesPerSubject: 1 });
        await world.publish([`${at.root}.a`, 'a1'], [`${at.root}.b`, 'b1']);
        const { heard } = await watch(at, 'last-per-subject');
        await heard.atLeast(3);
        const [consumer] = await consumersOf(at.stream);
        await api(`STREAM.PURGE.${at.stream}`, { filter: `${at.root}.b` });
        await api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
        expect(await heard.atLeast(6)).toEqual(['a1', 'b1', 'current', 'restart', 'a1', 'current']);
      },
      LIMIT,
    );

    it(
      'starts over even when the new stream has grown past what was seen of the old one',
      async () => {
        const values = await world.stream({ maxMessagesPerSubject: 1 });
        await world.publish([`${values.root}.a`, 'a1']);
        const { heard } = await watch(values, 'last-per-subject');
        await heard.atLeast(2);
        await server.kill();
        await server.loseStore();
        await server.start();
        unwrap(
          await world.bus.streams.provision(
            [world.specOf(values.root, { maxMessagesPerSubject: 1 })],
            'apply',
          ),
        );
        await world.publish([`${values.root}.z`, 'z'], [`${values.root}.y`, 'y'], [`${values.root}.x`, 'x']);
        const items = await heard.until((all) => ['x', 'y', 'z'].every((value) => all.includes(value)));
        expect(items.slice(0, 3)).toEqual(['a1', 'current', 'restart']);
        await heard.until((all) => all.lastIndexOf('current') > 2);
        // The suite's own streams went with the store.
        const dead = world.specOf('dead', { name: 'DEAD', subjects: [`${SUBJECT_PREFIX}.dead.>`] });
        unwrap(await world.bus.streams.provision([dead], 'apply'));
      },
      LIMIT,
    );

    it(
      'makes its consumer again when it was deleted, and goes on',
      async () => {
        const at = await world.stream();
        await world.publish([`${at.root}.a`, '1']);
        const { heard } = await watch(at, 0);
        await heard.atLeast(2);
        const [consumer, ...others] = await consumersOf(at.stream);
        expect(others).toEqual([]);
        await api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
        await world.publish([`${at.root}.a`, '2']);
        expect(await heard.atLeast(3)).toEqual(['1', 'current', '2']);
      },
      LIMIT,
    );

    it(
      'a log that forgot what comes next ends with OUT_OF_RANGE',
      async () => {
        const at = await world.stream();
        await world.publish([`${at.root}.a`, '1']);
        const { heard, subscription } = await watch(at, 0);
        await heard.atLeast(2);
        const [consumer] = await consumersOf(at.stream);
        await api(`STREAM.PURGE.${at.stream}`);
        await api(`CONSUMER.DELETE.${at.stream}.${consumer}`);
        await expect(subscription.closed).rejects.toMatchObject({ code: 'OUT_OF_RANGE' });
      },
      LIMIT,
    );

    it(
      'leaves no consumer behind when it is disposed',
      async () => {
        const at = await world.stream();
        const { heard, subscription } = await watch(at, 0);
        await heard.atLeast(1);
        await subscription[Symbol.asyncDispose]();
        // The deletion was sent before this publish, by the same connection.
        await world.publish([`${at.root}.a`, '1']);
        expect(await consumersOf(at.stream)).toEqual([]);
      },
      LIMIT,
    );
  });

  describe('the connection', () => {
    it('options are refused with every problem; no server named is not one on this machine', async () => {
      const bad = { servers: ['http://x', 'a b'], name: '', inboxPrefix: 'mine.*', connectMilliseconds: 0 };
      await expect(connectNats(bad)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        violations: [
          { field: 'servers[0]' },
          { field: 'servers[1]' },
          { field: 'name' },
          { field: 'inboxPrefix' },
          { field: 'connectMilliseconds' },
        ],
      });
      await expect(connectNats({ servers: [], name: 'x' })).rejects.toMatchObject({
        violations: [{ field: 'servers' }],
      });
    });

    it('a server that cannot be reached is UNAVAILABLE, and named', async () => {
      const absent = connectNats({ servers: 'nats://127.0.0.1:1', name: 'x', connectMilliseconds: 1 });
      await expect(absent).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        message: expect.stringContaining('nats://127.0.0.1:1'),
      });
    });

    it(
      'tells that it is reconnecting, and connected again',
      async () => {
        const bus = await world.connect();
        const states = new Collector<string>();
        bus.onState((state) => states.add(state));
        await restart();
        expect(await states.atLeast(3)).toEqual(['connected', 'reconnecting', 'connected']);
      },
      LIMIT,
    );

    it(
      'a bus that is closed while the server is away closes',
      async () => {
        const bus = await connectNats({ servers: server.url, name: 'closing' });
        const at = await world.stream({ retention: 'workqueue' });
        await world.consume(at, async () => ack, {}, bus);
        await server.kill();
        await bus[Symbol.asyncDispose]();
        await server.start();
      },
      LIMIT,
    );
  });
});
