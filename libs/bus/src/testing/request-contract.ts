import { describe, expect, it } from '@jest/globals';
import { MAX_BODY_BYTES } from '@outboard/contracts';
import { AppError, err, ok, unwrap } from '@outboard/core';
import type { Message, Received, StreamBus } from '../port.js';
import { Collector, Gate } from './collector.js';
import { message, PATIENT, refusal, textOf, type World } from './world.js';

type Handle = (request: Received) => Promise<Message>;

export function requestContract(world: World): void {
  /** A service with one endpoint on a subject of its own. */
  async function serve(
    handle: Handle,
    changes: { maxInFlight?: number; problem?: () => string | undefined; bus?: StreamBus } = {},
  ) {
    const name = world.name();
    const subject = `rpc.${name}`;
    const subscription = await (changes.bus ?? world.bus).serve({
      name,
      version: '1.2.3',
      description: 'a service of a test',
      maxInFlight: changes.maxInFlight ?? 100,
      ...(changes.problem && { problem: changes.problem }),
      endpoints: [
        {
          name: 'only',
          subject,
          handle: async (request) => {
            try {
              return ok(await handle(request));
            } catch (thrown) {
              if (thrown instanceof AppError) return err(thrown);
              throw thrown;
            }
          },
        },
      ],
    });
    return { name, subject, subscription: world.keep(subscription) };
  }

  describe('request and reply', () => {
    it('a request is answered with headers and body of both ways', async () => {
      const { subject } = await serve(async (request) =>
        message(`${textOf(request)} back`, { 'Outboard-Echo': request.headers.traceparent ?? 'none' }),
      );
      const client = await world.connect();
      const reply = unwrap(await client.request(subject, message('there', { traceparent: '00-1' }), PATIENT));
      expect(textOf(reply)).toBe('there back');
      expect(reply.headers).toEqual({ 'Outboard-Echo': '00-1' });
    });

    it('a refusal arrives with code, reason, metadata and fields', async () => {
      const { subject } = await serve(async () => {
        throw AppError.invalid([{ field: 'spec.mtu', description: 'must be 1280-9216' }], {
          reason: 'MTU_OUTSIDE_POLICY',
          metadata: { policy: 'default' },
        });
      });
      expect(refusal(await world.bus.request(subject, message(), PATIENT))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: '1 problem',
        reason: 'MTU_OUTSIDE_POLICY',
        metadata: { policy: 'default' },
        violations: [{ field: 'spec.mtu', description: 'must be 1280-9216' }],
      });
    });

    it('an error that a handler throws arrives as INTERNAL, and the service goes on', async () => {
      let calls = 0;
      const { subject } = await serve(async () => {
        if (calls++ === 0) throw new TypeError('a bug');
        return message('fine');
      });
      expect(refusal(await world.bus.request(subject, message(), PATIENT))).toMatchObject({
        code: 'INTERNAL',
        message: 'a bug',
      });
      expect(textOf(unwrap(await world.bus.request(subject, message(), PATIENT)))).toBe('fine');
    });

    it('a subject that nobody answers is UNAVAILABLE at once, and named', async () => {
      const error = refusal(await world.bus.request('rpc.nobody.home', message(), PATIENT));
      expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_RESPONDERS' });
      expect(error.message).toContain('rpc.nobody.home');
    });

    it('an answer that does not come in time is DEADLINE_EXCEEDED, naming the subject', async () => {
      const gate = new Gate();
      const { subject } = await serve(async () => {
        await gate.opened;
        return message();
      });
      const error = refusal(await world.bus.request(subject, message(), { deadlineMilliseconds: 20 }));
      expect(error.code).toBe('DEADLINE_EXCEEDED');
      expect(error.message).toContain(subject);
      gate.open();
    });

    it('a body over the limit is refused before it is sent', async () => {
      const seen = new Collector<Received>();
      const { subject } = await serve(async (request) => {
        seen.add(request);
        return message();
      });
      const body = new Uint8Array(MAX_BODY_BYTES + 1);
      expect(refusal(await world.bus.request(subject, { headers: {}, body }, PATIENT))).toMatchObject({
        code: 'INVALID_ARGUMENT',
        reason: 'BODY_TOO_LARGE',
        violations: [{ field: 'body' }],
      });
      unwrap(await world.bus.request(subject, { headers: {}, body: body.subarray(1) }, PATIENT));
      expect(seen.items.map((request) => request.body.length)).toEqual([MAX_BODY_BYTES]);
    });

    it('a subject with wildcards and headers with line breaks are refused, every problem at once', async () => {
      const bad = message('', { 'a:b': 'x', fine: 'one\r\ntwo' });
      const error = refusal(await world.bus.request('rpc.*.x y', bad, PATIENT));
      expect(error.code).toBe('INVALID_ARGUMENT');
      expect(error.violations.map(({ field }) => field)).toEqual([
        'subject',
        'headers["a:b"]',
        'headers["fine"]',
      ]);
    });

    it('a request above the bound of a service is refused RESOURCE_EXHAUSTED; those below are answered', async () => {
      const gate = new Gate();
      const inside = new Collector<Received>();
      const { subject } = await serve(
        async (request) => {
          inside.add(request);
          await gate.opened;
          return message('done');
        },
        { maxInFlight: 2 },
      );
      const first = world.bus.request(subject, message(), PATIENT);
      const second = world.bus.request(subject, message(), PATIENT);
      await inside.atLeast(2);
      expect(refusal(await world.bus.request(subject, message(), PATIENT))).toMatchObject({
        code: 'RESOURCE_EXHAUSTED',
        reason: 'TOO_MANY_REQUESTS',
      });
      gate.open();
      expect(textOf(unwrap(await first))).toBe('done');
      expect(textOf(unwrap(await second))).toBe('done');
    });

    it('instances of a service share its requests; each is answered by one of them', async () => {
      const name = world.name();
      const subject = `rpc.${name}.*`;
      const answered: Record<string, number> = {};
      for (const instance of ['one', 'two']) {
        answered[instance] = 0;
        const bus = await world.connect();
        world.keep(
          await bus.serve({
            name,
            version: '1.0.0',
            description: '',
            maxInFlight: 100,
            endpoints: [
              {
                name: 'only',
                subject,
                handle: async ({ subject: asked }) => {
                  answered[instance] = (answered[instance] ?? 0) + 1;
                  return ok(message(asked));
                },
              },
            ],
          }),
        );
      }
      const asked = Array.from({ length: 100 }, (_, index) => `rpc.${name}.${index}`);
      const replies = await Promise.all(asked.map((one) => world.bus.request(one, message(), PATIENT)));
      expect(replies.map((reply) => textOf(unwrap(reply)))).toEqual(asked);
      expect((answered.one ?? 0) + (answered.two ?? 0)).toBe(100);
      expect(answered.one).toBeGreaterThan(0);
      expect(answered.two).toBeGreaterThan(0);
    });

    it('closing a service lets the request in flight be answered, then nobody answers', async () => {
      const gate = new Gate();
      const inside = new Collector<Received>();
      const bus = await world.connect();
      const { subject } = await serve(
        async (request) => {
          inside.add(request);
          await gate.opened;
          return message('finished');
        },
        { bus },
      );
      const pending = world.bus.request(subject, message(), PATIENT);
      await inside.atLeast(1);
      const closing = bus[Symbol.asyncDispose]();
      gate.open();
      await closing;
      expect(textOf(unwrap(await pending))).toBe('finished');
      expect(refusal(await world.bus.request(subject, message(), PATIENT)).code).toBe('UNAVAILABLE');
    });

    it('a service specification is refused with every problem', async () => {
      const endpoint = { name: 'a b', subject: 'x..y', handle: async () => ok(message()) };
      const bad = { name: '', version: '1', description: '', maxInFlight: 0, endpoints: [endpoint] };
      await expect(world.bus.serve(bad)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        violations: [
          { field: 'name' },
          { field: 'version' },
          { field: 'maxInFlight' },
          { field: 'endpoints[0].name' },
          { field: 'endpoints[0].subject' },
        ],
      });
    });
  });

  describe('discovery (ADR-32), by raw requests', () => {
    const json = async (subject: string): Promise<Record<string, unknown>> =>
      JSON.parse(textOf(unwrap(await world.bus.request(subject, message(), PATIENT))));

    it('PING and INFO answer by name and by id, with the endpoints', async () => {
      const { name, subject } = await serve(async () => message());
      const ping = await json(`$SRV.PING.${name}`);
      expect(ping).toEqual({
        type: 'io.nats.micro.v1.ping_response',
        name,
        id: expect.any(String),
        version: '1.2.3',
        metadata: {},
      });
      expect(await json(`$SRV.INFO.${name}.${ping.id}`)).toMatchObject({
        type: 'io.nats.micro.v1.info_response',
        name,
        id: ping.id,
        version: '1.2.3',
        description: 'a service of a test',
        endpoints: [{ name: 'only', subject, queue_group: 'q', metadata: {} }],
      });
    });

    it('every service answers a PING without a name', async () => {
      const { name } = await serve(async () => message());
      const seen = new Collector<unknown>();
      // A raw client's way: an inbox of its own that all answers arrive in.
      const all = await json('$SRV.PING');
      seen.add(all);
      expect(all.type).toBe('io.nats.micro.v1.ping_response');
      expect(await json(`$SRV.PING.${name}`)).toMatchObject({ name });
    });

    it('all instances answer who gathers, and a limit ends it', async () => {
      const name = world.name();
      const spec = { name, version: '1.0.0', description: 'several', maxInFlight: 1, endpoints: [] };
      for (const bus of [world.bus, await world.connect(), await world.connect()]) {
        world.keep(await bus.serve(spec));
      }
      const limits = { deadlineMilliseconds: 30_000, quietMilliseconds: 30_000, maxReplies: 3 };
      const subject = `$SRV.PING.${name}`;
      const replies = unwrap(await world.bus.gather(subject, message(), limits));
      expect(new Set(replies.map((reply) => JSON.parse(textOf(reply)).id)).size).toBe(3);
      expect(unwrap(await world.bus.gather(subject, message(), { ...limits, maxReplies: 2 }))).toHaveLength(
        2,
      );
    });

    it('gathering ends when it has become quiet; where nobody is, at once', async () => {
      const { subject } = await serve(async () => message('here'));
      const limits = { deadlineMilliseconds: 30_000, quietMilliseconds: 1, maxReplies: 100 };
      expect(unwrap(await world.bus.gather(subject, message(), limits)).map(textOf)).toEqual(['here']);
      const patient = { ...limits, quietMilliseconds: 30_000 };
      expect(unwrap(await world.bus.gather('rpc.nobody.home', message(), patient))).toEqual([]);
      expect(refusal(await world.bus.gather('a b', message(), { ...limits, maxReplies: 0 }))).toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    it('STATS counts requests and errors and tells the last error', async () => {
      const { name, subject } = await serve(async (request) => {
        if (textOf(request) === 'bad') throw new AppError('NOT_FOUND', 'no such thing');
        return message();
      });
      for (const text of ['good', 'bad', 'good']) await world.bus.request(subject, message(text), PATIENT);
      const stats = await json(`$SRV.STATS.${name}`);
      expect(stats).toMatchObject({ type: 'io.nats.micro.v1.stats_response', name });
      expect(Date.parse(String(stats.started))).not.toBeNaN();
      expect(stats.endpoints).toEqual([
        {
          name: 'only',
          subject,
          queue_group: 'q',
          num_requests: 3,
          num_errors: 1,
          last_error: 'NOT_FOUND: no such thing',
          processing_time: expect.any(Number),
          average_processing_time: expect.any(Number),
        },
      ]);
    });

    it('STATS tells what a service has a problem with, as long as it has', async () => {
      let problem: string | undefined = 'nothing is published';
      const { name } = await serve(async () => message(), { problem: () => problem });
      expect(await json(`$SRV.STATS.${name}`)).toMatchObject({ problem });
      problem = undefined;
      expect(await json(`$SRV.STATS.${name}`)).not.toHaveProperty('problem');
    });
  });

  describe('broadcast and subscribe', () => {
    it('every subscriber of a matching pattern gets its own copy, in order', async () => {
      const root = world.name();
      const heard = { one: new Collector<string>(), two: new Collector<string>() };
      const other = await world.connect();
      world.keep(
        await world.bus.subscribe(`${root}.*`, ({ subject, ...rest }) =>
          heard.one.add(subject + textOf(rest)),
        ),
      );
      world.keep(
        await other.subscribe(`${root}.>`, ({ subject, ...rest }) => heard.two.add(subject + textOf(rest))),
      );
      for (const text of ['1', '2', '3']) world.bus.broadcast(`${root}.x`, message(text));
      const expected = ['1', '2', '3'].map((text) => `${root}.x${text}`);
      expect(await heard.one.atLeast(3)).toEqual(expected);
      expect(await heard.two.atLeast(3)).toEqual(expected);
    });

    it('a subscription that was disposed hears no more', async () => {
      const root = world.name();
      const heard = new Collector<string>();
      const first = await world.bus.subscribe(`${root}.x`, (received) =>
        heard.add(`first ${textOf(received)}`),
      );
      world.keep(
        await world.bus.subscribe(`${root}.x`, (received) => heard.add(`second ${textOf(received)}`)),
      );
      await first[Symbol.asyncDispose]();
      await first.closed;
      world.bus.broadcast(`${root}.x`, message('late'));
      expect(await heard.atLeast(1)).toEqual(['second late']);
    });

    it('a bad pattern and a bad message are refused', async () => {
      await expect(world.bus.subscribe('a..b', () => {})).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      expect(() => world.bus.broadcast('a.*', message())).toThrow(AppError);
    });
  });

  describe('the connection', () => {
    it('tells its state at once and when it closes; a closed bus refuses everything', async () => {
      const bus = await world.connect();
      const states = new Collector<string>();
      bus.onState((state) => states.add(state));
      expect(states.items).toEqual(['connected']);
      await bus[Symbol.asyncDispose]();
      expect(states.items).toEqual(['connected', 'closed']);
      expect(refusal(await bus.request('a.b', message(), PATIENT)).reason).toBe('BUS_CLOSED');
      expect(refusal(await bus.publish('a.b', message(), { messageId: '1' })).reason).toBe('BUS_CLOSED');
      await expect(bus.subscribe('a.b', () => {})).rejects.toMatchObject({ reason: 'BUS_CLOSED' });
      await bus[Symbol.asyncDispose]();
    });
  });
}
