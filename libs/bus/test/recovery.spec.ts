import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { SUBJECT_PREFIX } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { connectNats } from '../src/nats/bus.js';
import { Collector, Gate } from '../src/testing/collector.js';
import { AN_HOUR, ack, message, PATIENT, refusal, retry, textOf, type World } from '../src/testing/world.js';
import { FragileNats } from './fragile-nats.js';

/** Tests wait for what they expect; this only ends those that wait in vain. */
jest.setTimeout(30_000);

describe('NATS that fails', () => {
  let nats: FragileNats;
  let world: World;

  beforeAll(async () => {
    nats = await FragileNats.open();
    world = nats.world;
  });

  afterAll(() => nats[Symbol.asyncDispose]());

  const settled = (stream: string) => nats.consumerOnce(stream, (info) => info.num_ack_pending === 0);

  describe('publish', () => {
    it('what is published while the server is away is stored when it is back, once and in order', async () => {
      const at = await world.stream();
      await world.publish([`${at.root}.a`, 'before']);
      const disconnected = new Collector<string>();
      world.bus.onState((state) => disconnected.add(state));
      await nats.server.kill();
      await disconnected.until((states) => states.includes('reconnecting'));
      const pending = Array.from({ length: 50 }, (_, index) =>
        world.bus.publish(`${at.root}.a`, message(String(index)), { messageId: `away-${index}` }),
      );
      await nats.server.start();
      const sequences = (await Promise.all(pending)).map((one) => unwrap(one).sequence);
      expect(sequences).toEqual(Array.from({ length: 50 }, (_, index) => index + 2));
    });

    it('what is under way when the server dies is sent again: nothing is lost, nothing doubled', async () => {
      const at = await world.stream();
      const pending = Array.from({ length: 2_000 }, (_, index) =>
        world.bus.publish(`${at.root}.a`, message(String(index)), { messageId: `way-${index}` }),
      );
      await Promise.race(pending);
      await nats.restart();
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
    });
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

    it('one that is under way when the server dies is refused at once, not at its deadline', async () => {
      const entered = new Gate();
      const gate = new Gate();
      const subject = await echo(async () => {
        entered.open();
        await gate.opened;
      });
      const pending = world.bus.request(subject, message(), { deadlineMilliseconds: AN_HOUR });
      await entered.opened;
      await nats.restart();
      expect(refusal(await pending)).toMatchObject({ code: 'UNAVAILABLE', reason: 'DISCONNECTED' });
      gate.open();
    });

    it('one that is made while the server is away is sent when it is back, to services that are back too', async () => {
      const subject = await echo();
      await nats.server.kill();
      const states = new Collector<string>();
      world.bus.onState((state) => states.add(state));
      await states.until((seen) => seen.includes('reconnecting'));
      const early = world.bus.request(subject, message(), { deadlineMilliseconds: 1 });
      expect(refusal(await early)).toMatchObject({ code: 'UNAVAILABLE', reason: 'DISCONNECTED' });
      await nats.server.start();
      // The service may come back after the caller.
      let answer = await world.bus.request(subject, message('x'), PATIENT);
      while (!answer.ok && answer.error.reason === 'NO_RESPONDERS') {
        answer = await world.bus.request(subject, message('x'), PATIENT);
      }
      expect(textOf(unwrap(answer))).toBe('x');
    });
  });

  describe('consume', () => {
    it('goes on after restarts of the server: every message is handled, those of a key in order', async () => {
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
        await nats.restart();
      }
      await publishing;
      const expected = Array.from({ length: 300 }, (_, number) => number);
      await handled.until(() => keys.every((key) => first.get(key)?.length === 300));
      for (const key of keys) expect([key, first.get(key)]).toEqual([key, expected]);
    });

    it('takes over at once, in order, what a process that died left unsettled', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const setUp = await world.consume(at, async () => ack);
      await setUp[Symbol.asyncDispose]();
      await world.publish(...['1', '2', '3', '4'].map((text): [string, string] => [`${at.root}.a`, text]));
      const victim = await connect({ servers: nats.server.url });
      const taken = new Collector<string>();
      victim.subscribe('victim', { callback: (_, received) => taken.add(received.string()) });
      const pull = JSON.stringify({ batch: 10, expires: 60e9 });
      victim.publish(`$JS.API.CONSUMER.MSG.NEXT.${at.stream}.owner`, pull, { reply: 'victim' });
      await taken.atLeast(4);
      await victim.close();
      await nats.consumerOnce(at.stream, (info) => info.num_waiting === 0);
      await world.publish([`${at.root}.a`, '5']);
      const seen = new Collector<string>();
      await world.consume(at, async (delivery) => {
        seen.add(`${textOf(delivery)}/${delivery.deliveries}`);
        return ack;
      });
      expect(await seen.atLeast(5)).toEqual(['1/2', '2/2', '3/2', '4/2', '5/1']);
    });

    it('makes its consumer again when somebody deleted it', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const seen = new Collector<string>();
      await world.consume(at, async (delivery) => {
        seen.add(textOf(delivery));
        return ack;
      });
      await world.publish([`${at.root}.a`, '1']);
      await seen.atLeast(1);
      await settled(at.stream);
      await nats.api(`CONSUMER.DELETE.${at.stream}.owner`);
      await world.publish([`${at.root}.a`, '2']);
      expect(await seen.atLeast(2)).toEqual(['1', '2']);
    });

    it('waits for a stream that was deleted, and goes on when it is there again', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const seen = new Collector<string>();
      await world.consume(at, async (delivery) => {
        seen.add(textOf(delivery));
        return ack;
      });
      await world.publish([`${at.root}.a`, '1']);
      await seen.atLeast(1);
      await settled(at.stream);
      expect(await nats.api(`STREAM.DELETE.${at.stream}`)).toMatchObject({ success: true });
      unwrap(await world.bus.streams.provision([world.specOf(at.root, { retention: 'workqueue' })], 'apply'));
      await world.publish([`${at.root}.a`, '2']);
      expect(await seen.atLeast(2)).toEqual(['1', '2']);
    });

    it('changes a consumer that is not as specified, and refuses one that is not a consumer of this kind', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await (await world.consume(at, async () => ack, { maxInFlight: 1 }))[Symbol.asyncDispose]();
      await (await world.consume(at, async () => ack, { maxInFlight: 7 }))[Symbol.asyncDispose]();
      expect(await nats.api(`CONSUMER.INFO.${at.stream}.owner`)).toMatchObject({
        config: { max_ack_pending: 1_007 },
      });

      const log = await world.stream();
      const pushing = {
        durable_name: 'owner',
        name: 'owner',
        deliver_subject: 'x',
        ack_policy: 'explicit',
      };
      await nats.api(`CONSUMER.CREATE.${log.stream}.owner`, { stream_name: log.stream, config: pushing });
      await expect(world.consume(log, async () => ack)).rejects.toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: 'CONSUMER_DIFFERS',
      });
    });

    it('asks for no more than it has room for', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      const keys = Array.from({ length: 50 }, (_, key): [string, string] => [`${at.root}.${key}`, 'x']);
      await world.publish(...keys);
      let asked = 0;
      world.keep(
        await world.bus.subscribe(`$JS.API.CONSUMER.MSG.NEXT.${at.stream}.owner`, (pull) => {
          asked += JSON.parse(textOf(pull)).batch;
        }),
      );
      const gate = new Gate();
      const entered = new Collector<string>();
      const done = new Collector<string>();
      await world.consume(
        at,
        async ({ subject }) => {
          entered.add(subject);
          await gate.opened;
          done.add(subject);
          return ack;
        },
        { maxInFlight: 4 },
      );
      await entered.atLeast(4);
      // What it asks for is seen before the answer to what is sent later.
      await nats.consumersOf(at.stream);
      expect(asked).toBe(4);
      gate.open();
      await done.atLeast(50);
      await nats.consumersOf(at.stream);
      expect(asked).toBeLessThanOrEqual(54);
    });

    it('a parked message is settled: the server does not keep it for another delivery', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      await world.publish([`${at.root}.a`, 'poison']);
      const parked = new Collector<string>();
      await world.watchDead(`${at.root}.>`, (letter) => parked.add(textOf(letter)));
      await world.consume(at, async () => ({ kind: 'park', reason: 'poison' }));
      await parked.atLeast(1);
      await settled(at.stream);
      expect(await nats.api(`STREAM.INFO.${at.stream}`)).toMatchObject({ state: { messages: 0 } });
    });

    it('keeps a message that cannot be parked, until its dead letter is stored', async () => {
      const at = await world.stream({ retention: 'workqueue' });
      expect(await nats.api('STREAM.DELETE.DEAD')).toMatchObject({ success: true });
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
    });

    it('a retry that waits when the server dies is not forgotten', async () => {
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
      await nats.restart();
      expect(await seen.atLeast(2)).toEqual(['x', 'x']);
    });
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

    it('a server that is not there is waited for with a word; one that says nothing, after a second', async () => {
      const connections: Socket[] = [];
      const silent = createServer((socket) => connections.push(socket)).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const silentUrl = `nats://127.0.0.1:${(silent.address() as AddressInfo).port}`;
      const told: string[] = [];
      const attempt = (servers: string) =>
        connectNats({
          servers,
          name: 'x',
          connectMilliseconds: 2_500,
          waiting: ({ code, message }) => told.push(`${code}: ${message}`),
        });
      try {
        await expect(attempt('nats://127.0.0.1:1')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await expect(attempt(silentUrl)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      } finally {
        silent.close();
        for (const connection of connections) connection.destroy();
      }
      expect(told).toEqual([
        expect.stringMatching(/^UNAVAILABLE: NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached: .*refused/i),
        `UNAVAILABLE: NATS at ${silentUrl} cannot be reached: no answer yet`,
      ]);
    });

    it('tells that it is reconnecting, and connected again', async () => {
      const bus = await world.connect();
      const states = new Collector<string>();
      bus.onState((state) => states.add(state));
      await nats.restart();
      expect(await states.atLeast(3)).toEqual(['connected', 'reconnecting', 'connected']);
    });

    it('a bus that is closed while the server is away closes', async () => {
      const bus = await connectNats({ servers: nats.server.url, name: 'closing' });
      const at = await world.stream({ retention: 'workqueue' });
      await world.consume(at, async () => ack, {}, bus);
      await nats.server.kill();
      await bus[Symbol.asyncDispose]();
      await nats.server.start();
    });
  });
});
